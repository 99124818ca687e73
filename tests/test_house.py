"""The house keeps its shape: floors, sizes, names."""

from __future__ import annotations

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("channels", "workers", "daemon")
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


# Where to look for the tests of a module: in the file of its name, tests/ROOM/test_MODULE.py; else
# in that of its folder, tests/.../test_FOLDER.py; and these are the exceptions.
TESTED_IN = {
    "workers/store/test_redis_admissions": "store/redis_layout store/redis_many control/moved",
    "workers/execution/test_author_code": "agents/apart agents/author_calls",
    "deploy/test_deploy": "channels/slack/installation",
    "daemon/commands/test_doctor": "commands/checks",
    "channels/mail/test_approvals": "mail/names",
    "channels/mail/wire/test_addresses": "mail/wire/address_tokens",
    "channels/mail/wire/test_header": "mail/wire/encoded_words mail/wire/message_ids "
    "mail/wire/parameters",
    "channels/mail/sender/test_machines": "mail/sender/out_of_office",
    "channels/mail/text/test_html": "mail/text/html_history mail/text/html_lines "
    "mail/text/html_links mail/text/html_sheets "
    "mail/text/html_source mail/text/html_style",
    "channels/mail/text/test_quotation": "mail/text/history mail/text/history_words "
    "mail/text/relayed",
    "channels/mail/test_reading": "files killable killable_process",
    "channels/mail/out/test_send": "mail/out/relay",
    "channels/mail/test_server": "mail/postmaster mail/session",
    "channels/slack/test_signs": "slack/failures",
    "channels/slack/test_receive": "slack/button slack/ids slack/writer",
    "channels/slack/test_app": "slack/clicks",
    "channels/slack/test_desk": "slack/access slack/conversation slack/direct slack/door "
    "slack/hearing slack/held slack/memory slack/own_teams daemon/slack_memory daemon/slack",
    "channels/slack/reading/test_message": "slack/reading/attachments slack/reading/blocks "
    "slack/reading/markup slack/reading/names slack/reading/rich_text slack/reading/tables "
    "slack/reading/view slack/reading/whatever slack/reading/whole",
    "channels/slack/out/test_markdown": "slack/out/inline",
    "channels/slack/out/test_send": "slack/out/arrived",
    "channels/slack/out/test_verbatim": "slack/out/question slack/out/compose",
    "channels/markdown/test_tree": "markdown/dialect",
    "channels/test_blobs": "storage",
    "channels/test_documents": "office/flow office/legacy office/package office/pdf office/sheets "
    "office/text office/word",
    "channels/test_charset": "charset_guess charset_labels",
    "channels/test_fuzz": "message",
    "channels/webhook/test_body": "webhook/cloudevents webhook/encodings webhook/forms",
    "channels/webhook/test_proof": "webhook/methods webhook/signed",
    "channels/webhook/test_template": "webhook/filters webhook/values",
    "channels/webhook/test_receive": "webhook/callback webhook/route webhook/send",
    "workers/agents/test_actions": "agents/agent run/choices",
    "workers/agents/test_config": "agents/policies",
    "workers/agents/test_files": "agents/tools/attachments",
    "workers/control/test_forks_and_prompts": "control/forks control/prompts",
    "workers/agents/test_notify": "agents/tools/notify",
    "workers/control/test_deliveries": "execution/deliveries execution/delivery_list "
    "execution/outbox daemon/api/deliveries daemon/commands/deliveries",
    "workers/control/test_snapshot_checks": "daemon/api/snapshot_checks "
    "daemon/commands/snapshot_checks",
    "workers/control/test_retries": "run/reduce_retried daemon/api/retries",
    "workers/control/test_inquiries": "run/open_approval",
    "workers/control/test_run_lists": "store/people daemon/list_duty",
    "workers/control/test_runs": "control/views",
    "workers/control/test_schedules": "control/schedule control/schedule_view",
    "workers/evaluation/test_from_table": "evaluation/live/measure evaluation/live/questions "
    "evaluation/live/walk",
    "workers/execution/test_delivery": "run/reduce_delivered run/reply_events run/undelivered",
    "workers/execution/test_executor": "execution/approval_policy "
    "execution/spending execution/threads execution/tool_call",
    "workers/execution/test_stranded": "execution/fleet control/stranded run/reduce_missing "
    "steps/without_agent",
    "workers/execution/test_model_call": "run/model_call execution/answers",
    "workers/llm/test_client": "llm/connect llm/http llm/llamacpp llm/vllm llm/vllm_stream",
    "workers/llm/test_margin": "llm/probe",
    "workers/run/test_attached": "run/inbound_events",
    "workers/run/test_run_states_doc": "run/reduce run/reduce_approvals run/reduce_messages "
    "run/effort run/reduce_replies run/state steps/next_step",
    "workers/run/test_unknown_outcomes": "run/reduce_tools run/tool_events execution/late_results",
    "workers/steps/test_approval": "run/approved_call",
    "workers/steps/test_attempts": "run/attempt_events run/reduce_attempts store/deaths "
    "execution/escapes",
    "workers/steps/test_waits": "agents/tools/waiting",
    "workers/protocol/test_twin": "store/memory_clock",
    "workers/store/test_listings": "store/memory_listings store/redis_listings",
    "workers/store/test_contract": "store/asking store/beside store/cursors store/memory_beside "
    "store/memory_tables store/redis_tables store/tables "
    "store/memory_store store/redis_beside store/redis_gauges store/redis_store",
    "workers/thinking/test_beliefs": "thinking/margins thinking/posterior",
    "workers/thinking/test_ledger": "thinking/learning thinking/outcomes thinking/rewards",
    "workers/thinking/test_policy": "thinking/case thinking/hold thinking/pins thinking/rules",
    "workers/thinking/test_thinker": "llm/canary llm/continuing",
    "daemon/api/test_approvals": "api/approval_page api/server",
    "daemon/api/test_lists": "api/queries",
    "daemon/commands/test_api_client": "commands/event_stream commands/outcome",
    "daemon/commands/test_cli": "cli",
    "daemon/commands/test_cli_live": "commands/approvals commands/chat commands/replay "
    "commands/runs commands/terminal",
    "daemon/commands/test_thinking": "api/thinking commands/thinking_evaluate "
    "commands/thinking_export commands/thinking_pages workers/evaluation/plot",
    "daemon/local/test_supervisor": "local/processes",
    "daemon/test_mail_brake": "mail_report",
    "daemon/test_configuration": "settings channels/settings workers/settings",
    "model/test_up": "local/model_server local/progress local/up",
    "daemon/api/test_ingress": "channels/webhook/challenges channels/webhook/intake",
    "scenarios/test_main_path": "api/runs "
    "channels/channel channels/outbound workers/execution/metrics workers/execution/runtime "
    "workers/execution/tasks",
    "daemon/test_lease_time": "background",
    "scenarios/test_schedules": "api/schedules commands/schedules schedule_duty",
    "test_docs": "routing",
}
"""File in tests/ -> modules, without their room where it is the file's; a file of no room tests
what is in daemon/."""


def test_the_import_package_is_this_checkout() -> None:
    for package in PACKAGES:
        found = importlib.import_module(f"ponderd.{package}").__file__
        assert found is not None
        assert Path(found).resolve().parent == ROOT / package


def test_modules_stay_under_400_lines() -> None:
    sizes = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in MODULES}
    assert {path: size for path, size in sizes.items() if size >= 400} == {}


class TestTheImportContracts:
    """Floors, rooms and purity: [tool.importlinter] in pyproject.toml."""

    def test_all_are_kept(self) -> None:
        done = lint_imports(ROOT)
        assert done.returncode == 0, done.stdout + done.stderr

    @pytest.mark.parametrize(
        ("file", "line", "broken"),
        [
            ("workers/run/state.py", "import time", "Pure is pure"),
            ("workers/thinking/rewards.py", "from random import random", "Pure is pure"),
            ("workers/agents/arms.py", "import ponderd.workers.settings", "Pure is pure"),
            ("channels/text.py", "import ponderd.workers.settings", "Three floors, one direction"),
            ("workers/store/contract.py", "import ponderd.workers.llm.probe", "Rooms of workers/"),
            ("workers/steps/more.py", "import ponderd.workers.context.render", "Rooms of workers/"),
            ("workers/another_room.py", "", "Rooms of workers/"),
            (
                "channels/slack/out/send.py",
                "import ponderd.channels.mail.names",
                "Rooms of channels/",
            ),
            ("daemon/api/http.py", "import ponderd.daemon.local.panel", "Rooms of daemon/"),
        ],
    )
    def test_a_planted_violation_is_found(
        self, tmp_path: Path, file: str, line: str, broken: str
    ) -> None:
        shutil.copy(ROOT / "pyproject.toml", tmp_path)
        for folder in ("src", *PACKAGES):
            shutil.copytree(ROOT / folder, tmp_path / folder, symlinks=True)
        with (tmp_path / file).open("a") as module:
            module.write(f"\n{line}\n")
        done = lint_imports(tmp_path)
        assert done.returncode == 1
        assert f"{broken} BROKEN" in done.stdout

    def test_what_calls_itself_pure_is_held_to_it(self) -> None:
        assert {path for path in MODULES if says_pure(path)} - pure_modules() == set()
        assert pure_modules() >= {
            path for path in MODULES if path.is_relative_to(ROOT / "workers" / "run")
        }

    def test_no_clock_and_no_chance_come_from_what_is_no_io_itself(self) -> None:
        """`datetime.now()` is a clock; a generator of numpy is pure if it is given its seed."""
        calls = [
            (path, call)
            for path in sorted(pure_modules())
            for call in ast.walk(ast.parse(path.read_text()))
            if isinstance(call, ast.Call)
        ]
        assert len(calls) > 1000
        assert [f"{path}:{call.lineno}" for path, call in calls if is_impure(call)] == []

    @pytest.mark.parametrize(
        ("call", "impure"),
        [
            ("datetime.now(UTC)", True),
            ("date.today()", True),
            ("np.random.default_rng()", True),
            ("np.random.normal(3)", True),
            ("open('x')", True),
            ("np.random.default_rng(7)", False),
            ("np.random.default_rng(7).normal(3)", False),
            ("reduce(run, event)", False),
        ],
    )
    def test_which_calls_these_are(self, call: str, impure: bool) -> None:
        parsed = ast.parse(call, mode="eval").body
        assert isinstance(parsed, ast.Call)
        assert is_impure(parsed) == impure

    def test_what_happened_knows_messages_their_words_and_the_names_of_events(self) -> None:
        assert {
            name
            for path in (ROOT / "workers" / "run").glob("*.py")
            for name in imports(path)
            if name.startswith("ponderd.") and not name.startswith("ponderd.workers.run")
        } == {
            "ponderd.channels.event_ref",
            "ponderd.channels.message",
            "ponderd.channels.own_words",
            "ponderd.channels.people",
            "ponderd.channels.text",
        }


def test_the_packages_import_nothing_of_the_tests() -> None:
    assert [
        f"{path.relative_to(ROOT)}: {name}"
        for path in MODULES
        for name in imports(path)
        if name.split(".")[0] in ("tests", "pytest", "hypothesis")
    ] == []


def test_every_module_says_what_it_is_for() -> None:
    modules = [path for path in MODULES if path.name != "__init__.py"]
    for path in modules:
        says = ast.get_docstring(ast.parse(path.read_text()))
        assert says and not says.startswith("TODO"), path


def test_every_folder_says_in_a_few_lines_what_lives_there() -> None:
    for path in MODULES:
        if path.name == "__init__.py":
            says = ast.get_docstring(ast.parse(path.read_text()))
            assert says and len(says.splitlines()) in (1, 2, 3), path


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """As `make lint` does, of the packages in `folder`."""
    lint = Path(sys.executable).with_name("lint-imports")
    environment = os.environ | {"PYTHONPATH": str(folder / "src")}
    return subprocess.run(
        [lint, "--no-cache"], cwd=folder, env=environment, capture_output=True, text=True
    )


def is_impure(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    if name.endswith("random.default_rng"):
        return not call.args
    return bool(re.search(r"(\.(now|today|utcnow)|\brandom\.\w+|^(open|input|print))$", name))


def says_pure(path: Path) -> bool:
    return bool(re.search(r"\bPure\b", ast.get_docstring(ast.parse(path.read_text())) or ""))


def pure_modules() -> set[Path]:
    """Those that the contract 'Pure is pure' names, and all in the folders that it names."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (pure,) = [c for c in contracts["contracts"] if c["name"] == "Pure is pure"]
    named = {ROOT.joinpath(*name.split(".")[1:]) for name in pure["source_modules"]}
    found = {path for path in MODULES if {path.with_suffix(""), *path.parents} & named}
    assert all(
        any({path.with_suffix(""), *path.parents} & {one} for path in found) for one in named
    )
    return found


def test_every_module_has_a_test_where_one_looks_for_it() -> None:
    elsewhere: dict[str, list[str]] = {}
    for file, names in TESTED_IN.items():
        assert (ROOT / "tests" / f"{file}.py").is_file(), file
        room = file.partition("/")[0] if file.partition("/")[0] in PACKAGES else "daemon"
        for name in names.split():
            whole = name if name.partition("/")[0] in PACKAGES else f"{room}/{name}"
            elsewhere.setdefault(whole, []).append(file)
    modules = [path.relative_to(ROOT) for path in MODULES if path.name != "__init__.py"]
    names = {str(module.with_suffix("")): module for module in modules}
    assert set(elsewhere) - set(names) == set(), "no such module"
    for name, module in names.items():
        own = ROOT / "tests" / module.parent / f"test_{module.name}"
        of_folder = ROOT / "tests" / module.parent.parent / f"test_{module.parent.name}.py"
        assert own.is_file() or of_folder.is_file() or name in elsewhere, f"no test of {name}"
        assert not (own.is_file() and name in elsewhere), f"{name} is no exception any more"


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
