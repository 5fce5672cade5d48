"""A clock that runs faster than the real one, for the host and the storage of one test."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class Clock:
    """
    Shows the real time until `start` (seconds since 1970), and runs `speed` times as fast from then on.

    Clocks of several processes with the same two numbers agree: those of Azurite (`Azurite(clock=…)`) and of a
    Functions host (`--speed`, `--start`) are to be given the same, or a message would come back at another time than
    the host meant.
    """

    speed: float = 1.0
    start: float = field(default_factory=time.time)

    def time(self) -> float:
        """Return the seconds since 1970 that this clock shows."""
        return self.start + (time.time() - self.start) * self.speed

    def now(self) -> datetime:
        """Return the moment that this clock shows."""
        return datetime.fromtimestamp(self.time(), UTC)

    def monotonic(self) -> float:
        """Return seconds to measure durations with, which no change of the machine's time disturbs."""
        return time.monotonic() * self.speed

    def real(self, wait: float | timedelta) -> float:
        """Return how many real seconds a wait on this clock takes."""
        return (wait.total_seconds() if isinstance(wait, timedelta) else wait) / self.speed


REAL = Clock()

NODE = """
const [speed, start] = process.env.EMULATOR_CLOCK.split(" ").map(Number);
const RealDate = Date;
const now = () => Math.round(start * 1000 + (RealDate.now() - start * 1000) * speed);
globalThis.Date = new Proxy(RealDate, {
  apply: () => new RealDate(now()).toString(),
  construct: (target, given, self) => Reflect.construct(target, given.length ? given : [now()], self),
  get: (target, name) => (name === "now" ? now : Reflect.get(target, name)),
});
"""
"""Preloaded into a program of Node, lets it see the clock whose `speed` and `start` are in EMULATOR_CLOCK."""
