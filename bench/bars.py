"""What the service is held to: the goal of each figure, and from where on it is progress."""

from bench.measurements import Bar

TURN_TIME = Bar(1.3, 1.6)
TURN_P99 = Bar(1.5, 2.0)
TURN_BESIDE_OTHERS = Bar(1.0)
READ_TIME = Bar(1.5, 1.8)
SIGNED_IN_PROCESSOR = Bar(1.4, 1.6)
WHOLE_TURN_PROCESSOR = Bar(1.3, 1.5)
WHOLE_TURN_TIME = Bar(1.4, 1.5)
# Finding the history that a client sends, beside being told the turn.
COMPLETION = Bar(1.1)
STREAMED_TURN_MS = Bar(3.0)
FIRST_BYTE = Bar(1.5, 2.0)
FAST_STREAMS = Bar(1.0, at_least=True)
SLOW_STREAMS = Bar(0.8, 0.7, at_least=True)
REFUSED_STREAMS = Bar(0)
STREAM_PAUSE_SECONDS = Bar(1.0)
STREAM_KB = Bar(40)
TURN_IN_LONG_CONVERSATION = Bar(1.05)
TURN_KB_ON_DISK = Bar(3.2)
FLUSH_MS = Bar(50)
LONG_REPLY_OF_SDK = Bar(0.5)
SHORT_REPLY_OF_SDK = Bar(0.6)
