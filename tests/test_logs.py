import io
import json
import logging
import re

import pytest

from uplift.logs import configure_logging, event


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _leave_logging_as_it_was():
    root = logging.getLogger()
    handlers = list(root.handlers)
    yield
    root.handlers[:] = handlers


def test_a_machine_reads_one_json_object_per_line():
    stream = io.StringIO()
    configure_logging(stream)

    event(logging.getLogger("jobs.some_job"), "training_set.written", rows=3, seconds=0.5)
    event(logging.getLogger("jobs.some_job"), "model.doubted", level=logging.WARNING, auuc=-0.1)

    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "level": "info",
        "logger": "jobs.some_job",
        "event": "training_set.written",
        "rows": 3,
        "seconds": 0.5,
    }
    assert (second["level"], second["auuc"]) == ("warning", -0.1)


def test_a_person_reads_clock_event_and_facts():
    stream = Terminal()
    configure_logging(stream)

    facts = {"rows": 1234567, "share": 0.123456, "new": True, "doubts": ["a", "b"], "gaps": []}
    event(logging.getLogger("uplift"), "table.written", **facts)

    told = r"rows=1,234,567  share=0\.1235  new=True  doubts=a; b  gaps=none"
    pattern = rf"\d\d:\d\d:\d\d  table\.written +{told}\n"
    assert re.fullmatch(pattern, stream.getvalue())


def test_a_doubt_is_called_a_warning_on_a_terminal():
    stream = Terminal()
    configure_logging(stream)

    event(logging.getLogger("uplift"), "model.doubted", level=logging.WARNING)

    assert "WARNING: model.doubted" in stream.getvalue()


def test_others_speak_only_when_something_is_wrong():
    stream = io.StringIO()
    configure_logging(stream)

    logging.getLogger("some_library").info("chatter")
    logging.getLogger("some_library").warning("trouble")

    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["trouble"]


def test_the_bridge_to_java_does_not_log_what_it_also_raises():
    stream = io.StringIO()
    configure_logging(stream)
    given = {"name": "root", "level": logging.ERROR, "lineno": 1, "args": (), "exc_info": None}

    for source in ("site-packages/py4j/java_gateway.py", "site-packages/other/gateway.py"):
        logging.getLogger().handle(logging.LogRecord(pathname=source, msg=source, **given))

    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == [
        "site-packages/other/gateway.py"
    ]


def test_configuring_again_moves_the_lines_and_doubles_none():
    old, new = io.StringIO(), io.StringIO()
    configure_logging(old)
    configure_logging(new)

    event(logging.getLogger("uplift"), "table.written")

    assert old.getvalue() == ""
    assert len(new.getvalue().splitlines()) == 1


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_an_exception_keeps_its_traceback(stream):
    configure_logging(stream)
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("jobs").exception("job.failed")

    assert "ValueError: broken" in stream.getvalue()
