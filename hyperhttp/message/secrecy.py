"""Which names usually carry secrets, so that logs, recordings and ``repr`` do not show what they name.

Names are of fields, parameters, parts of forms and members of JSON. Nobody can know them all; here are the words by which
programs name credentials, without those that only look like them, such as ``design`` or ``Access-Control-Allow-Credentials``.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["is_secret"]

#: Compiled when somebody looks for the first time, and kept by `re`.
_TELLTALE: Final = r"""
    (?:^|[-_])auth(?:orization)?(?:$|[-_])      # X-Auth, proxy_authorization
    | cookie | token | secret | jwt
    | (?<!allow-)(?<!with)credential            # but not a switch of CORS
    | passw | passphrase | passcode | pwd
    | (?:^|[^a-z])pass$                         # but not "bypass"
    | signature
    | (?:^|[^a-z])sig(?:$|[^a-z])               # but not "design", "assign", "signal"
    | (?:api|access|account|encryption|functions|master|private|shared|subscription)[-_. ]?key
    | (?<!pos)(?<!ob)(?:session|phpsess)[-_. ]?(?:id|key)
    | (?:^|[-_])session$                        # but not "Session-Timeout", "possession"
    """


def is_secret(name: str) -> bool:
    """Whether fields of this name usually carry credentials, so that logs and ``repr`` must not show them."""
    return re.search(_TELLTALE, name, re.IGNORECASE | re.VERBOSE) is not None
