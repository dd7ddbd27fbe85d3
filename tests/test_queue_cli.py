"""The command `queue`, and what the doctor finds about a queue."""

from __future__ import annotations

import sys
from datetime import timedelta

import psycopg

from bot import queue_cli
from bot.demo.process import free_port
from bot.doctor import queue as doctor_queue
from bot.doctor.findings import Unset
from bot.queue_backends.procrastinate import Procrastinate
from bot.settings.parsers import QueueKind
from bot.settings.values import Settings
from bot.watcher.poll_slots import POLL


async def doctors_finding(url: str) -> str:
    settings = Settings("wx", "secret", "xoxb-1", database_url=url, queue_backend=QueueKind.PROCRASTINATE)
    [found] = (await doctor_queue.examine(settings, Unset.of([]))).findings
    return f"{found.verdict}: {found.said}. {found.remedy}"


def change(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement)


async def test_doctor_shows_whether_a_queue_works(postgres_url, monkeypatch):
    found = await doctors_finding(postgres_url)
    assert found.startswith("wrong: its tables do not exist; polls run in the slots of the processes. Run `python")
    assert await queue_cli.migrate(postgres_url) == 0
    assert (await doctors_finding(postgres_url)).startswith("wrong: no process runs its jobs. Start web or worker")
    change(postgres_url, "INSERT INTO kf_queue.procrastinate_workers DEFAULT VALUES")
    backend = Procrastinate(postgres_url, timedelta(seconds=60))
    await backend.enqueue(POLL, ["a", "b"])
    await backend.close()
    assert (await doctors_finding(postgres_url)).endswith(": 1 workers, 2 jobs wait. ")
    change(postgres_url, "UPDATE kf_queue.procrastinate_events SET at = now() - interval '90 s' WHERE job_id = 1")
    assert (await doctors_finding(postgres_url)).startswith(
        "wrong: a job has waited for 90 s; polls run in the slots"
    )
    change(postgres_url, "COMMENT ON SCHEMA kf_queue IS '1.0.0'")
    assert (await doctors_finding(postgres_url)).startswith("wrong: its tables are those of 1.0.0, and ")
    monkeypatch.setitem(sys.modules, "procrastinate", None)
    assert "pip install -r requirements-fleet.txt" in await doctors_finding(postgres_url)


async def test_unreachable_database_is_named_by_doctor_and_command(capsys):
    url = f"postgresql://kf@127.0.0.1:{free_port()}/kf"
    assert "wrong: its tables cannot be read (connection failed" in await doctors_finding(url)
    assert await queue_cli.migrate(url) == 1
    assert capsys.readouterr().err.startswith("The tables of the queue were not made: connection failed")


async def test_command_makes_the_tables_once(postgres_url, capsys):
    assert [await queue_cli.migrate(postgres_url) for _ in range(2)] == [0, 0]
    assert capsys.readouterr().out.splitlines() == [
        "The tables of the queue were made.",
        "The tables of the queue are up to date.",
    ]


async def test_installation_without_a_queue_has_no_finding():
    settings = Settings("wx", "secret", "xoxb-1")
    assert (await doctor_queue.examine(settings, Unset.of([]))).findings == ()
