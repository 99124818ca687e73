"""Put together what takes messages from Slack."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from ponderd.channels.blobs import Blobs
from ponderd.channels.channel import Accept
from ponderd.channels.files import FileReader
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.slack.app import SocketMode, build_app
from ponderd.channels.slack.clicks import ClickReplies
from ponderd.channels.slack.desk import Desk
from ponderd.channels.slack.directory import Directory
from ponderd.channels.slack.door import Door
from ponderd.channels.slack.intake import Intake
from ponderd.channels.slack.signs import Signs
from ponderd.channels.slack.web_api import Workspaces
from ponderd.daemon.refusals import ignored_by, refused_by
from ponderd.daemon.routing import Routes
from ponderd.daemon.slack_brake import BotBrake
from ponderd.daemon.slack_memory import StoredMemory
from ponderd.workers.control.inquiries import Inquiries
from ponderd.workers.control.run_log import RunLog
from ponderd.workers.control.runs import Runs


@contextlib.asynccontextmanager
async def slack_intake(
    channels: ChannelSettings,
    routes: Routes,
    accept: Accept,
    runs: Runs,
    inquiries: Inquiries,
    run_log: RunLog,
    blobs: Blobs,
) -> AsyncIterator[Intake | None]:
    """Take what Slack sends, over Socket Mode, too, if that is switched on. Yields None if Slack is
    not set up. Raises StartupError."""
    if not (channels.slack_signing_secret or channels.slack_app_token):
        yield None
        return
    workspaces = Workspaces(channels)
    directory, signs, reader = Directory(workspaces.client), Signs(workspaces.client), FileReader()
    brake = BotBrake(run_log.store, run_log.clock, channels.slack_bot_hourly)
    memory = StoredMemory(run_log.store, runs.agents, brake)
    desk = Desk(
        settings=channels,
        workspaces=workspaces,
        directory=directory,
        door=Door(workspaces, directory, memory, channels.slack_allow),
        signs=signs,
        memory=memory,
        blobs=blobs,
        reader=reader,
        accept=accept,
        answer=inquiries.answer,
        react=runs.react,
        alerts=routes.slack.alerts,
        agents=routes.slack.channels,
        ignored=ignored_by("slack"),
        replies=ClickReplies(channels.slack_api_url),
    )
    intake = Intake(
        memory,
        desk.work,
        desk.press,
        desk.wants,
        desk.heard,
        ignored_by("slack"),
        refused_by("slack"),
    )
    socket = None
    if channels.slack_app_token:
        token = channels.slack_app_token.get_secret_value()
        socket = SocketMode(build_app(channels, intake), token)
        await socket.start()
    intake.start()
    try:
        yield intake
    finally:
        if socket:
            await socket.stop()
        await intake.close()
        await directory.close()
        await signs.close()
        await reader.close()
