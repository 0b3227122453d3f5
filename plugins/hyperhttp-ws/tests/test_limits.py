import pytest
from wsproto.frame_protocol import CloseReason, Opcode, RsvBits

from hyperhttp_ws.limits import MAX_EMPTY_FRAMES, MessageLimits

PLAIN = RsvBits(False, False, False)


def judge(limits, frames):
    """What is said of frames: their headers, and their ends."""
    said = []
    for opcode, size, fin in frames:
        said += [limits.frame_inbound_header(None, opcode, PLAIN, size), limits.frame_inbound_complete(None, fin)]
    return [each for each in said if isinstance(each, CloseReason)]


@pytest.mark.parametrize(
    ("frames", "allowed"),
    [
        ([(Opcode.BINARY, 10, True)], True),
        ([(Opcode.BINARY, 11, True)], False),
        ([(Opcode.TEXT, 5, False), (Opcode.CONTINUATION, 5, True)], True),
        ([(Opcode.TEXT, 5, False), (Opcode.CONTINUATION, 6, True)], False),
        ([(Opcode.TEXT, 10, True), (Opcode.TEXT, 10, True)], True),
        ([(Opcode.TEXT, 10, False), (Opcode.PING, 125, True), (Opcode.CONTINUATION, 0, True)], True),
        ([(Opcode.BINARY, 2**62, True)], False),
    ],
)
def test_sizes_are_judged_by_the_headers_of_frames(frames, allowed):
    limits = MessageLimits(10)
    assert judge(limits, frames) == ([] if allowed else [CloseReason.MESSAGE_TOO_BIG])
    assert limits.refusal == (None if allowed else "a message is larger than max_message_size (10 bytes)")


EMPTY, EMPTY_END, FULL = (
    (Opcode.CONTINUATION, 0, False),
    (Opcode.CONTINUATION, 0, True),
    (Opcode.CONTINUATION, 1, False),
)
BEGIN, PING = (Opcode.TEXT, 0, False), (Opcode.PING, 0, True)


@pytest.mark.parametrize(
    ("frames", "allowed"),
    [
        ([BEGIN, *[EMPTY] * (MAX_EMPTY_FRAMES - 1), EMPTY_END], True),
        ([BEGIN, *[EMPTY] * MAX_EMPTY_FRAMES], False),
        ([BEGIN, *[EMPTY, FULL, PING] * MAX_EMPTY_FRAMES], False),
        ([BEGIN, *[FULL, PING] * MAX_EMPTY_FRAMES, EMPTY_END], True),
        ([BEGIN, *[EMPTY] * (MAX_EMPTY_FRAMES - 1), EMPTY_END] * 3, True),
        ([(Opcode.TEXT, 0, True)] * 2 * MAX_EMPTY_FRAMES, True),
    ],
)
def test_frames_without_content_are_counted(frames, allowed):
    limits = MessageLimits(10 * MAX_EMPTY_FRAMES)
    assert judge(limits, frames) == ([] if allowed else [CloseReason.POLICY_VIOLATION])
    assert limits.refusal == (None if allowed else "a message has more than 1000 frames without content")


def test_it_is_always_there_and_never_offered():
    assert MessageLimits(10).enabled()
    assert not MessageLimits(10).offer()
