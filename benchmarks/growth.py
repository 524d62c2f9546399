"""Times of the same thing at several sizes: one table, and the power of the size that they grow with."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from measure import Figures, Timing, screen, shown

SECTION = "growth"


@dataclass
class Growth:
    """Median times in ms, by question and size."""

    times: dict[str, dict[int, float]] = field(default_factory=dict)

    def add(self, question: str, size: int, timing: Timing) -> None:
        self.times.setdefault(question, {})[size] = 1e3 * timing.median

    def exponent(self, question: str) -> float:
        """The slope b of log time over log size by least squares: time ~ size ** b; 0 is flat, NaN one size."""
        points = [(math.log(size), math.log(time)) for size, time in self.times[question].items()]
        x, y = (sum(column) / len(points) for column in zip(*points, strict=True))
        spread = sum((a - x) ** 2 for a, _ in points)
        return sum((a - x) * (b - y) for a, b in points) / spread if spread else math.nan

    def on_paper(self, question: str, size: int) -> float:
        """The line through the two largest sizes, at another: no less than what grows slower will take."""
        points = sorted(self.times[question].items())[-2:]
        if len(points) < 2:
            return math.nan
        (x, y), (largest, time) = points
        return time + max(time - y, 0) / (largest - x) * (size - largest)

    def markdown(self, paper: int) -> str:
        """The table: questions by sizes in trials, times in ms; at last what a lake of *paper* trials would take."""
        sizes = sorted({size for times in self.times.values() for size in times})
        head = ["ms", *(f"{size:,}" for size in sizes), "exponent", f"{paper:,} on paper"]
        rows = [
            [
                question,
                *(shown(times[size]) if size in times else "" for size in sizes),
                f"{self.exponent(question):.2f}",
                shown(self.on_paper(question, paper)),
            ]
            for question, times in self.times.items()
        ]
        lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def report(self, figures: Figures, folder: Path, paper: int) -> None:
        """Add the exponents to *figures*, print the table, and write it to *folder*."""
        for question, times in self.times.items():
            if len(times) > 1:
                note = ", ".join(f"{size:,}: {shown(time)} ms" for size, time in sorted(times.items()))
                figures.add(SECTION, question, self.exponent(question), "exponent", note)
        folder.mkdir(exist_ok=True)
        path = folder / f"scale-{figures.machine['commit']}-{figures.machine['time']}.md"
        path.write_text(self.markdown(paper))
        screen.print(f"\n{self.markdown(paper)}\nWritten to {path}", markup=False)
