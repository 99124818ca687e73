"""Words that ask for an approval rather than give it, and echoes that mock. Pure data."""

from __future__ import annotations

from ponderd.channels.words.base import pattern, phrases, words

ASKING = words(
    """
    please pls plz bitte svp stp favor porfa piacere cortesia aub a.u.b alsjeblieft alstublieft
    snälla venligst vennligst proszę prosím prosim molim vă rog te παρακαλώ lütfen пожалуйста
    будь ласка моля молим رجاء رجاءً لطفا لطفاً בבקשה कृपया tolong mohon
    s'il vous plaît plait
    """
)
"""With one of `ASKED` in the same phrase they ask for it: "please approve"."""

ASKED = words(
    """
    approve approving confirm authorize authorise accept agree allow approval genehmige bestätige
    freigabe zustimmung validation accord approuvé validé confirme autorizado autorizada confirma
    confirmado confirmada aprobado aprobada aprovado aprovada aprovação confirmo confermo conferma
    approvato approvata approvazione autorizzato akkoord bevestig godkänn godkänt godkendt godkjent
    potwierdzone zatwierdzone potwierdzam zatwierdzam schváleno potvrzeno aprobat confirm confirmat
    onay onaylı kabul подтверждаю подтверждено одобрено утверждено согласовано согласую
    підтверджую підтверджено погоджено اعتمد أعتمد تایید תאשר אישור konfirmasi
    """
)

HEARD = pattern(
    r"""
    (?:thanks|thank you|thx) for (?:letting me know|the (?:info|update|heads up|reminder))|
    danke für die (?:info|nachricht)|vielen dank für die (?:info|nachricht)|merci pour l'info
    """
)
"""With no more than an "ok" these only say that something was heard."""

FAINT = words("ok okay okey oki fine alright all right great good cool super gut d'accord")

ADDRESSED = words("all team everyone folks sir madam mate")
"""They address somebody, but at the head of a phrase they tell who said yes: "team approved"."""

ALONE = words("claro que vale ok gracias por favor")
"""With these "si" is a yes. With others it is an "if": "si puede", "si c'est bon"."""

EAST_ASKING = pattern(
    r"""
    (?:请|請|麻烦(?:你|您)?|麻煩(?:你|您)?|拜托|感谢|感謝|谢谢(?:你|您)?|謝謝(?:你|您)?|多谢|辛苦)
    (?:确认|確認|批准|同意|核准|通过|通過|允许|允許|许可|許可|认可|認可|授权|授權|赞成|审批|審批)|
    (?:确认|確認|承認|許可|同意|賛成)を?(?:お願い|ありがと|どうも)|
    (?:승인|동의|허가|허락|확인|찬성)(?:을|를)?(?:부탁|감사|고맙|고마)|
    (?:大家|各位|すぐに|以上)(?:同意|批准|赞成|贊成|确认|確認|认可|没意见)
    """
)
"""Asks for it, thanks for it, or tells who gave it."""

ECHOES = phrases(
    """
    ja ja|yeah yeah|yeah right|sure sure|joo joo|jo jo|ouais ouais|oui oui|はい はい|right right|
    ok ok ok|jaja ja|ага ага|да да|yes yes sure|whatever sure
    """
)
"""Said twice, these mock."""
