"""The channels on which this installation can answer, by name."""

from __future__ import annotations

from ponderd.channels.channel import Channel
from ponderd.channels.kept import KeptChannel
from ponderd.channels.mail.out.send import EmailChannel
from ponderd.channels.settings import ChannelSettings
from ponderd.channels.slack.out.send import SlackChannel
from ponderd.channels.sms.send import SmsChannel
from ponderd.channels.webhook.send import WebhookChannel


def outbound_channels(settings: ChannelSettings) -> dict[str, Channel]:
    channels: list[Channel] = [
        KeptChannel("api"),
        KeptChannel("terminal"),
        WebhookChannel(settings),
        EmailChannel(settings),
        SlackChannel(settings),
        SmsChannel(settings),
    ]
    return {channel.name: channel for channel in channels}
