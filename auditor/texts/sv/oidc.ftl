# Inloggning hos en legitimeringstjänst.
oidc-heading = Logga in med e-legitimation
oidc-hint = Du skickas till tjänsten som du väljer, och tillbaka hit när du har legitimerat dig.

oidc-stale = Inloggningen hade inte börjat här, tog för lång tid eller var redan använd. Börja om härifrån.
oidc-cancelled = Du avbröt inloggningen. Försök igen, eller logga in på ett annat sätt.
oidc-away = Legitimeringstjänsten svarar inte just nu. Försök igen om en stund, eller logga in på ett annat sätt.
oidc-unbelieved = Svaret från legitimeringstjänsten gick inte att lita på. Försök igen. Händer det igen, kontakta supporten.
oidc-weak = Inloggningen var inte tillräckligt stark. Försök igen med ditt SITHS-kort eller en annan e-legitimation på tillitsnivå 3.
oidc-nameless = Legitimeringstjänsten lämnade inget HSA-id för dig. Kontakta den som sköter HSA-katalogen hos din arbetsgivare, eller supporten.
oidc-no-use = Du är legitimerad, men det finns inget konto som kan användas med det just nu. Ansök om ett konto hos din godkännare, eller kontakta supporten.
oidc-nothing-chosen = Välj ett alternativ.
oidc-busy = Inloggningen svarar inte just nu. Försök igen om en stund.

oidc-choose-heading = Välj uppdrag
oidc-choose-wrong = Något behöver väljas
oidc-choose-text = Du är legitimerad. Välj hur du arbetar nu: valet registreras med det du gör.
oidc-choose-id = HSA-id
oidc-choose-commission = Medarbetaruppdrag
oidc-choose-submit = Fortsätt
oidc-choose-cancel = Avbryt
