# Inloggning med SITHS-kort.
siths-heading = Logga in med SITHS-kort
siths-hint = Sätt kortet i läsaren. Webbläsaren frågar efter certifikat och legitimeringskod, och för dig sedan tillbaka hit.
siths-log-in = Logga in med SITHS-kort
siths-refused = Ditt kort fungerar, men det finns inget konto som kan användas med det just nu. Kontakta supporten.

siths-page-heading = Kortet kunde inte användas
siths-page-form = Certifikatet som valdes gick inte att läsa.
siths-page-purpose = Certifikatet som valdes är inte till för legitimering. Välj kortets legitimeringscertifikat.
siths-page-function = Certifikatet som valdes tillhör en funktion eller server. Logga in med ditt personliga SITHS-kort.
siths-page-policy = Certifikatet som valdes har inte den tillitsnivå som krävs här.
siths-page-no-hsa = Certifikatet som valdes har inget HSA-id. Välj kortets certifikat med HSA-id.
siths-page-stale = Inloggningen började inte på inloggningssidan. Börja om därifrån.
siths-page-busy = Inloggningen svarar inte just nu. Försök igen om en stund.
siths-page-other = Webbläsaren minns vilket certifikat som valdes. Stäng alla dess fönster för att välja ett annat.
siths-page-again = Till inloggningen
