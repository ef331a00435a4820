# Det som alla sidor har.
page-title = { $page } – { $title }
page-skip = Hoppa till innehållet
page-menu = Meny
page-other-language = In English
page-log-out = Logga ut
page-help = Hjälp
page-who = Inloggad: { $name }
page-recorded = Det som görs här registreras.

link-start = Start

start-heading = Administration

wrong-heading = Något behöver rättas
wrong-stale = Sidan hade varit öppen för länge, eller öppnades inte härifrån. Inget har ändrats. Kontrollera uppgifterna och skicka igen.

trouble-back = Till startsidan
trouble-not-found = Det finns ingenting här
trouble-not-found-text = Adressen är fel, eller så får du inte känna till det som finns här.
trouble-method = Så kan sidan inte användas
trouble-method-text = Gå tillbaka och försök igen därifrån.
trouble-unavailable = Det här svarar inte just nu
trouble-unavailable-text = Inget har ändrats. Försök igen om en stund.
trouble-unreadable = Det som skickades kan inte läsas
trouble-unreadable-text = Inget har ändrats. Gå tillbaka och försök igen.

list-found = { $count ->
    [0] Ingen rad visas.
    [one] En rad visas.
   *[other] { $count } rader visas.
}
list-found-more = { $count ->
    [one] En rad visas, och det finns fler på nästa sida.
   *[other] { $count } rader visas, och det finns fler på nästa sida.
}
list-busy = Hämtar …
list-failed = Listan kunde inte hämtas, och det som visas är inte det du valde. Försök igen om en stund.
