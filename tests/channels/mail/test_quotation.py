from ponderd.channels.mail.quotation import Thread, read_plain

OURS = "assistant@agents.test"


def thread(*, answers_us: bool = True, knows_us: bool = True, subject: str = "Re: Offer") -> Thread:
    return Thread(
        is_ours=lambda address: address.lower().endswith("@agents.test"),
        subject=subject,
        answers_us=answers_us,
        knows_us=knows_us,
    )


def test_history_that_the_conversation_lacks_is_kept() -> None:
    text = "Please answer.\n\nOn 5 May 2026 at 09:00, Bob <bob@team.test> wrote:\n> How long?"
    reading = read_plain(text, thread(answers_us=False, knows_us=False))
    assert reading.text == text
    assert reading.own == "Please answer."
