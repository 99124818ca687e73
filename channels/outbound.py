"""The channels that this installation can answer on, by name."""

from __future__ import annotations

from channels.channel import Channel
from channels.email_out import EmailChannel
from channels.settings import ChannelSettings
from channels.slack_send import SlackChannel
from channels.terminal import HeldChannel
from channels.webhook import WebhookChannel


def outbound_channels(settings: ChannelSettings) -> dict[str, Channel]:
    channels: list[Channel] = [
        HeldChannel("api"),
        HeldChannel("terminal"),
        WebhookChannel(settings),
        EmailChannel(settings),
    ]
    if settings.slack_bot_token:
        channels.append(SlackChannel(settings))
    return {channel.name: channel for channel in channels}
