# Login with a SITHS card.
siths-heading = Log in with a SITHS card
siths-hint = Put the card in the reader. The browser asks for a certificate and your identification code, and leads you back here.
siths-log-in = Log in with a SITHS card
siths-refused = Your card works, but no account can be used with it at the moment. Contact support.

siths-page-heading = The card could not be used
siths-page-form = The certificate that was chosen cannot be read.
siths-page-purpose = The certificate that was chosen is not for identification. Choose the card's identification certificate.
siths-page-function = The certificate that was chosen is of a function or a server. Log in with your personal SITHS card.
siths-page-policy = The certificate that was chosen is not of the assurance level that is required here.
siths-page-no-hsa = The certificate that was chosen has no HSA-id. Choose the card's certificate with an HSA-id.
siths-page-stale = The login was not begun on the login page. Begin again from there.
siths-page-busy = Login does not answer at the moment. Please try again in a while.
siths-page-other = The browser remembers which certificate was chosen. Close all its windows to choose another.
siths-page-again = To the login page
