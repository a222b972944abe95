"""How the parts of a demo are shown, and what is told at the end."""

import io
import threading
from concurrent.futures import Future
from pathlib import Path

from perch_stage.parts import Screen, follow, free_ports
from perch_stage.results import Played
from rich.console import Console


def test_a_part_is_shown_as_it_goes_and_to_its_last_word(tmp_path: Path) -> None:
    screen, shown, future = Screen(tmp_path / "part", 80, terminal=False), Shown(), Future[Played]()
    said = screen.console()

    def part() -> None:
        said.print("begins")
        assert shown.first.wait(60), "nothing was shown before the end"
        said.print("ends")
        future.set_result(Played(wrong="as it was"))

    screen.transcript.touch()
    thread = threading.Thread(target=part)
    thread.start()
    assert follow(screen.transcript, future, Console(file=shown)) == Played(wrong="as it was")
    thread.join()
    assert shown.getvalue() == "begins\nends\n"


def test_stacks_have_ports_of_their_own() -> None:
    assert len(set(free_ports(20))) == 20


class Shown(io.StringIO):
    """A terminal that says when something was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.first = threading.Event()

    def write(self, text: str) -> int:
        if text:
            self.first.set()
        return super().write(text)
