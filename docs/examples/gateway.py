"""An API gateway: one answer out of four services, of which three misbehave.

What it shows:

- a deadline for each part (``Timeout(total=...)``), so that the slowest service does not decide how long a page takes;
- retries for a service that fails now and then, paid from one budget for all;
- a hedged request where one answer of many is slow;
- a circuit breaker, which leaves a service alone that does nothing but fail;
- doing without what is not necessary: a page without reviews is a page, one without a price is none.

Run it::

    python docs/examples/gateway.py --products 5

The services are origins on this machine, each on its own port: retries and hedges belong to a call, circuits to a host
and port.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import hyperhttp
from hyperhttp import Client, Timeout
from hyperhttp.errors.budget import RetryBudget
from hyperhttp.errors.circuit_breaker import CircuitTransition, DomainCircuitBreakerManager
from hyperhttp.errors.retry import HedgePolicy, RetryPolicy
from hyperhttp.testing import Origin, Reply
from hyperhttp.utils.backoff import ExponentialBackoff

if TYPE_CHECKING:
    from hyperhttp.testing import Exchange


@dataclass(frozen=True)
class Part:
    """One service's share of the page.

    Attributes:
        name: what it is called on the page.
        url: where the service is.
        deadline: seconds it may take, retries and hedges included.
        is_required: whether there is no page without it.
    """

    name: str
    url: str
    deadline: float
    is_required: bool = False


class Gateway:
    """Asks all services at once, and makes one answer of theirs.

    Attributes:
        budget: what all retries and hedges are paid from.
    """

    def __init__(self, parts: list[Part]) -> None:
        self.parts = parts
        self.budget = RetryBudget(ratio=0.2, per_second=1, capacity=20)
        backoff = ExponentialBackoff(base=0.02)
        hedge = HedgePolicy(delay=0.15, max_hedges=1)
        policy = RetryPolicy(max_retries=2, backoff_strategy=backoff, budget=self.budget, hedge=hedge)
        breaker = DomainCircuitBreakerManager(failure_threshold=4, recovery_timeout=30, observers=[self.on_transition])
        self.client = Client(retry_policy=policy, circuit_breaker_manager=breaker, timeout=5.0)

    def on_transition(self, transition: CircuitTransition) -> None:
        """Say that a circuit has opened or closed."""
        name = next(part.name for part in self.parts if part.url.endswith(f":{transition.port}"))
        print(f"circuit of {name}: {transition.before} -> {transition.after}", flush=True)

    async def product(self, number: int) -> dict[str, Any]:
        """The page of one product.

        Raises:
            HyperHTTPError: a part without which there is no page.
        """
        values = await asyncio.gather(*(self.part(part, number) for part in self.parts))
        return {part.name: value for part, value in zip(self.parts, values, strict=True)}

    async def part(self, part: Part, number: int) -> Any:
        """One service's answer, or why the page goes without."""
        try:
            timeout = Timeout(total=part.deadline)
            response = await self.client.get(f"{part.url}/item/{number}", timeout=timeout, stream=False)
            response.raise_for_status()
        except hyperhttp.HyperHTTPError as error:
            if part.is_required:
                raise
            return f"({error.kind})"
        causes = [attempt.cause for attempt in response.attempts]
        return response.json()["value"] + (f" after {' and '.join(causes)}" if causes else "")


async def serve(parts: list[Part], products: int) -> int:
    """What a gateway does all day; how many pages there were not."""
    gateway = Gateway(parts)
    missing = 0
    async with gateway.client:
        for number in range(products):
            began = time.perf_counter()
            try:
                page = ", ".join(f"{name}: {value}" for name, value in (await gateway.product(number)).items())
            except hyperhttp.HyperHTTPError as error:
                missing += 1
                page = f"no page: {error}"
            print(f"product {number}, {time.perf_counter() - began:.2f} s: {page}", flush=True)
    print(f"{products - missing} pages, {gateway.budget.left} of {gateway.budget.capacity:.0f} retries left")
    return missing


def add_service(origin: Origin, value: str) -> None:
    """Let an origin answer ``/item/N`` with a value."""

    @origin.route("/item/{number}")
    def item(exchange: Exchange) -> Reply:
        return Reply(200, [("Content-Type", "application/json")], f'{{"value": "{value}"}}'.encode())


def start_services(stack: ExitStack) -> list[Part]:
    """Four services: one fails now and then, one is slow now and then, one always fails, one never answers."""
    price, stock, reviews, adverts = (stack.enter_context(Origin()) for _ in range(4))
    for origin, value in ((price, "12.50"), (stock, "3 left"), (reviews, "five stars"), (adverts, "buy!")):
        add_service(origin, value)
    price.faults.add("503", path="/item/0")
    price.faults.add("reset", path="/item/2")
    stock.faults.add("stall-head", path="/item/1", seconds=20)
    reviews.faults.add("500", times=None)
    adverts.faults.add("stall-head", times=None, seconds=20)
    return [
        Part("price", price.url, deadline=10.0, is_required=True),
        Part("stock", stock.url, deadline=10.0),
        Part("reviews", reviews.url, deadline=10.0),
        Part("adverts", adverts.url, deadline=0.3),
    ]


def main() -> int:
    """Ask for a few products."""
    parser = argparse.ArgumentParser(description="An API gateway before services that fail.")
    parser.add_argument("--products", type=int, default=5, help="how many pages to ask for")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        missing = asyncio.run(serve(start_services(stack), arguments.products))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
