"""What a route wants that takes the events of a well-known service. Pure.

Every field of a route takes the place of the one here. No preset takes what a program did there, so
that an agent that works in the service does not call itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

PresetName = Literal[
    "alertmanager",
    "github",
    "gitlab",
    "grafana",
    "jira",
    "linear",
    "pagerduty",
    "sentry",
    "stripe",
    "twilio",
]

_ALERTS = """\
[{{ status|upper }}] {{ title or commonLabels.alertname or groupLabels.values()|join(' ') }}
{% for a in alerts %}
{{ a.status }}: {{ a.labels.alertname or 'alert' }}
{% for name, value in a.labels|dictsort if name != 'alertname' and name[:2] != '__' -%}
  {{ name }}={{ value }}{{ ', ' if not loop.last }}
{%- endfor %}
{% for name, value in a.annotations|dictsort if name[:2] != '__' -%}
  {{ name }}: {{ value }}
{% endfor -%}
{% if a.values %}values: {{ a.values }}
{% elif a.valueString %}values: {{ a.valueString }}
{% endif -%}
since {{ a.startsAt }}{% if a.status == 'resolved' %} until {{ a.endsAt }}{% endif %}
{% for url in (a.generatorURL, a.dashboardURL, a.panelURL) if url -%}
  {{ url }}
{% endfor -%}
{% endfor %}
{%- if truncatedAlerts %}and {{ truncatedAlerts }} more alerts{% endif %}"""

PRESETS: Mapping[str, Mapping[str, object]] = {
    "github": {
        "verify": ("github",),
        # GitHub says "created" of a new discussion, and of comments.
        "when": "(action == 'opened' and (issue or pull_request) "
        "or action == 'created' and discussion and not comment) and sender.type != 'Bot'",
        "text": """\
{% set it = pull_request or issue or discussion -%}
{% set kind = 'Pull request' if pull_request else 'Issue' if issue else 'Discussion' -%}
{{ kind }} {{ repository.full_name }}#{{ it.number }} by {{ it.user.login }}: {{ it.title }}
{{ it.html_url }}
{% if it.labels %}Labels: {{ it.labels|join(', ', attribute='name') }}
{% endif %}
{{ it.body }}
{% if comment %}
{{ comment.user.login }} wrote:
{{ comment.body }}
{% endif %}""",
        "conversation": "{{ repository.full_name }}#"
        "{{ (pull_request or issue or discussion).number }}",
        "sender": "{{ sender.login }}",
    },
    "gitlab": {
        "verify": ("gitlab",),
        "when": "object_kind in ('issue', 'merge_request') and object_attributes.action == 'open' "
        # project_7_bot_1f, project_7_bot2, support-bot; but anna_bothe is a person.
        "and '_bot_' not in user.username|replace('-', '_') ~ '_' "
        "and not (user.username[:8] == 'project_' and '_bot' in user.username)",
        "text": """\
{% set it = object_attributes -%}
{% set mark = '!' if object_kind == 'merge_request' else '#' -%}
{% set kind = 'Merge request' if object_kind == 'merge_request' else 'Issue' -%}
{{ kind }} {{ project.path_with_namespace }}{{ mark }}{{ it.iid }} by {{ user.name }}: \
{{ it.title }}
{{ it.url }}
{% if labels %}Labels: {{ labels|join(', ', attribute='title') }}
{% endif %}
{{ it.description }}""",
        "conversation": "{{ project.path_with_namespace }}"
        "{{ '!' if object_kind == 'merge_request' else '#' }}{{ object_attributes.iid }}",
        "sender": "{{ user.username }}",
    },
    "stripe": {
        "verify": ("stripe",),
        "text": """\
Stripe: {{ type }}{{ '' if livemode else ' (test mode)' }}
{{ data.object|tojson(indent=1) }}
{% if data.previous_attributes %}Before: {{ data.previous_attributes }}
{% endif %}""",
        "conversation": "{{ data.object.id }}",
        "id": "{{ id }}",
    },
    "twilio": {"verify": ("twilio",)},  # channels/sms reads what people write
    "alertmanager": {
        "verify": ("bearer", "basic"),
        "text": _ALERTS,
        "conversation": "{{ groupKey }}",
    },
    "grafana": {
        "verify": ("grafana", "bearer", "basic"),
        "text": _ALERTS,
        "conversation": "{{ groupKey }}",
    },
    "sentry": {
        "verify": ("sentry",),
        "when": "(headers.sentry_hook_resource == 'issue' and action == 'created') "
        "or headers.sentry_hook_resource in ('event_alert', 'metric_alert')",
        "text": """\
{% set it = data.issue or data.event -%}
{% if data.metric_alert -%}
{{ data.description_title or data.metric_alert.title }} ({{ action }})
{{ data.description_text }}
{{ data.web_url }}
{% else -%}
{{ it.title }}{{ ' (' ~ it.level ~ ')' if it.level }}
{% if data.triggered_rule %}Rule: {{ data.triggered_rule }}
{% endif -%}
{% if it.project.slug %}Project: {{ it.project.slug }}
{% endif -%}
{% if it.culprit %}In: {{ it.culprit }}
{% endif -%}
{% if it.environment %}Environment: {{ it.environment }}
{% endif -%}
{% if it.release %}Release: {{ it.release }}
{% endif -%}
{{ it.web_url or it.permalink }}
{% for e in it.exception.values if e.type or e.value %}
{{ e.type }}: {{ e.value }}
{% for f in e.stacktrace.frames %}  {{ f.filename }}:{{ f.lineno }} in {{ f.function }}
{% endfor %}{% endfor %}{% endif %}""",
        "conversation": "{% if data.metric_alert %}metric {{ data.metric_alert.id }}"
        "{% else %}issue {{ data.issue.id or data.event.issue_id }}{% endif %}",
        "id": "{{ headers['request-id'] }}",
    },
    "pagerduty": {
        "verify": ("pagerduty",),
        "when": "event.event_type in ('incident.triggered', 'incident.reopened', "
        "'incident.escalated', 'incident.resolved')",
        "text": """\
{% set it = event.data -%}
{{ event.event_type }}: {{ it.title or it.incident.summary }}
{{ it.html_url }}
{% if it.number %}Incident {{ it.number }}, {% endif %}status {{ it.status }}\
{{ ', urgency ' ~ it.urgency if it.urgency }}\
{{ ', priority ' ~ it.priority.summary if it.priority }}
{% if it.service.summary %}Service: {{ it.service.summary }}
{% endif -%}
{% if it.assignees %}Assigned to: {{ it.assignees|join(', ', attribute='summary') }}
{% endif %}""",
        "conversation": "{{ event.data.id }}",
        "id": "{{ event.id }}",
        "sender": "{{ event.agent.summary }}",
    },
    "jira": {
        "verify": ("jira",),
        "when": "webhookEvent == 'jira:issue_created' and user.accountType != 'app'",
        "text": """\
{% set it = issue.fields -%}
{{ it.issuetype.name or 'Issue' }} {{ issue.key }} by \
{{ it.reporter.displayName or user.displayName }}: {{ it.summary }}
{% if it.priority.name %}Priority: {{ it.priority.name }}
{% endif -%}
{% if it.labels %}Labels: {{ it.labels|join(', ') }}
{% endif -%}
{% for i in changelog.items %}{{ i.field }}: {{ i.fromString }} -> {{ i.toString }}
{% endfor %}
{{ it.description }}
{% if comment %}
{{ comment.author.displayName }} wrote:
{{ comment.body }}
{% endif %}""",
        "conversation": "{{ issue.key }}",
        "sender": "{{ user.displayName }}",
    },
    "linear": {
        "verify": ("linear",),
        "when": "type == 'Issue' and action == 'create' "
        "and actor.type|default('user')|lower == 'user'",
        "text": """\
{{ data.identifier }} by {{ actor.name }}: {{ data.title }}
{{ url or data.url }}
{% if data.priorityLabel %}Priority: {{ data.priorityLabel }}
{% endif -%}
{% if data.labels %}Labels: {{ data.labels|join(', ', attribute='name') }}
{% endif %}
{{ data.description }}""",
        "conversation": "{{ data.identifier }}",
        "sender": "{{ actor.name }}",
    },
}
