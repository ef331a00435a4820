# Login at an identity provider.
oidc-heading = Log in with an electronic identity
oidc-hint = You are sent to the service that you choose, and back here when you have identified yourself.

oidc-stale = The login was not begun here, took too long or had been used before. Begin again from here.
oidc-cancelled = You cancelled the login. Try again, or log in another way.
oidc-away = The identity service does not answer at the moment. Try again in a while, or log in another way.
oidc-unbelieved = The identity service's answer could not be trusted. Try again. If it happens again, contact support.
oidc-weak = The login was not strong enough. Try again with your SITHS card or another electronic identity of assurance level 3.
oidc-nameless = The identity service gave no HSA-id for you. Contact whoever keeps the HSA catalogue at your employer, or support.
oidc-no-use = You are identified, but no account can be used with it at the moment. Apply for an account with your approver, or contact support.
oidc-nothing-chosen = Choose one of them.
oidc-busy = Login does not answer at the moment. Please try again in a while.

oidc-choose-heading = Choose your commission
oidc-choose-wrong = Something has to be chosen
oidc-choose-text = You are identified. Choose how you work now: your choice is recorded with what you do.
oidc-choose-id = HSA-id
oidc-choose-commission = Commission
oidc-choose-submit = Go on
oidc-choose-cancel = Cancel
