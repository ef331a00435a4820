//! The closed lists that records are made of. A tag, once given, keeps its meaning for ever.

use crate::wire_enum;

wire_enum! {
    /// What the user does with a patient's data (åtgärd). Swedish names in the comments are RIV-TA StoreLog's.
    pub enum Activity {
        /// Läsa.
        Read = 1 => "read",
        /// Skriva.
        Write = 2 => "write",
        /// Signera.
        Sign = 3 => "sign",
        /// Utskrift.
        Print = 4 => "print",
        /// Vidimera.
        Attest = 5 => "attest",
        /// Radera.
        Delete = 6 => "delete",
        /// Nödöppning.
        Emergency = 7 => "emergency",
        /// Söka.
        Search = 8 => "search",
        /// Export.
        Export = 9 => "export",
        /// Uttag av läkemedel: a controlled drug is taken out.
        Withdraw = 10 => "withdraw",
    }
}

wire_enum! {
    /// Why data are used (ändamål), RIV-TA StoreLog's list.
    pub enum Purpose {
        /// Vård och behandling.
        Care = 1 => "care",
        /// Kvalitetssäkring.
        QualityAssurance = 2 => "quality_assurance",
        /// Annan dokumentation enligt lag.
        OtherDocumentation = 3 => "other_documentation",
        /// Statistik.
        Statistics = 4 => "statistics",
        /// Administration.
        Administration = 5 => "administration",
        /// Kvalitetsregister.
        QualityRegistry = 6 => "quality_registry",
    }
}

wire_enum! {
    /// What policy decided.
    pub enum Decision {
        /// Allowed by a grant.
        Permit = 1 => "permit",
        /// Refused.
        Deny = 2 => "deny",
        /// Opened in an emergency, with a reason (nödöppning).
        Override = 3 => "override",
    }
}

wire_enum! {
    /// Why something was refused, opened in an emergency, or a patient not found. One list for records, metrics and error answers.
    pub enum Reason {
        /// Nothing to explain.
        None = 0 => "none",
        /// No route of the config matches.
        NoRoute = 1 => "no_route",
        /// The request could mean two things, or breaks HTTP's rules.
        Malformed = 2 => "malformed",
        /// A header or the head is too large.
        HeadTooLarge = 3 => "head_too_large",
        /// The body is too large for this route.
        BodyTooLarge = 4 => "body_too_large",
        /// Host and TLS server name differ, or the host is not served here.
        Misdirected = 5 => "misdirected",
        /// The certificate is of no enrolled device.
        DeviceUnknown = 6 => "device_unknown",
        /// The device is revoked.
        DeviceRevoked = 7 => "device_revoked",
        /// The device's organisation may not use this host.
        DeviceForeign = 8 => "device_foreign",
        /// No session, or one that has ended.
        NoSession = 9 => "no_session",
        /// The session was made on another device.
        SessionElsewhere = 10 => "session_elsewhere",
        /// The account is not active.
        AccountInactive = 11 => "account_inactive",
        /// No grant for this registry, or not valid now.
        NoGrant = 12 => "no_grant",
        /// A read grant, and the request changes data.
        ReadOnly = 13 => "read_only",
        /// The grant does not cover the unit.
        OtherUnit = 14 => "other_unit",
        /// The directory is too old to decide by.
        DirectoryStale = 15 => "directory_stale",
        /// The journal cannot record.
        JournalUnavailable = 16 => "journal_unavailable",
        /// Too many requests.
        RateLimited = 17 => "rate_limited",
        /// No backend answers.
        UpstreamUnavailable = 18 => "upstream_unavailable",
        /// The method is not allowed here.
        Method = 19 => "method",
        /// The client was too slow.
        Slow = 20 => "slow",
        /// The login page's own form was forged or is stale (CSRF).
        Forged = 21 => "forged",
        /// The user has not accepted the security instructions.
        InstructionsDue = 22 => "instructions_due",

        /// No patient id stood where the route says one stands.
        PatientAbsent = 40 => "patient_absent",
        /// The patient id does not have the form of one.
        PatientForm = 41 => "patient_form",
        /// The date in the patient id does not exist.
        PatientDate = 42 => "patient_date",
        /// The patient id's check digit is wrong.
        PatientCheckDigit = 43 => "patient_check_digit",
        /// The request body could not be read as its content type says.
        PatientBody = 44 => "patient_body",
        /// The route discloses patients in the response, and the response names none.
        PatientInResponse = 45 => "patient_in_response",
        /// More patients than one request may name, or one answer disclose.
        PatientsTooMany = 46 => "patients_too_many",
        /// The answer could not be looked into, and passed by config: whom it disclosed is not known.
        Unscanned = 47 => "unscanned",
        /// The answer could not be looked into, and did not pass.
        Unscannable = 48 => "unscannable",

        /// The client showed no certificate.
        CertAbsent = 60 => "cert_absent",
        /// The certificate is expired or not yet valid.
        CertExpired = 61 => "cert_expired",
        /// The certificate is of another authority.
        CertForeign = 62 => "cert_foreign",
        /// The certificate is not for client authentication.
        CertPurpose = 63 => "cert_purpose",
        /// The certificate is revoked.
        CertRevoked = 64 => "cert_revoked",
        /// The certificate or the handshake is broken otherwise.
        CertBroken = 65 => "cert_broken",
        /// The client offered no protocol version or cipher that is allowed.
        TlsVersion = 66 => "tls_version",

        /// User name or password is wrong.
        BadCredentials = 80 => "bad_credentials",
        /// The second factor is wrong.
        BadSecondFactor = 81 => "bad_second_factor",
        /// A code was used before.
        CodeReplayed = 82 => "code_replayed",
        /// The account is locked.
        Locked = 83 => "locked",

        /// Opened in an emergency: danger to the patient's life or health.
        EmergencyLife = 90 => "emergency_life",
        /// Opened in an emergency: the patient cannot consent.
        EmergencyIncapable = 91 => "emergency_incapable",
        /// Opened in an emergency: acute care that cannot wait.
        EmergencyAcute = 92 => "emergency_acute",
        /// Opened in an emergency: something else, told in words.
        EmergencyOther = 93 => "emergency_other",

        /// Nobody has logged in for long.
        Unused = 100 => "unused",
        /// Nobody has collected the credentials.
        Uncollected = 101 => "uncollected",
        /// A region has not confirmed the account in the yearly review.
        Unconfirmed = 102 => "unconfirmed",
        /// Nobody has done anything with a form for long.
        NoAction = 103 => "no_action",
        /// An incident.
        Incident = 104 => "incident",
        /// A form said so.
        ByForm = 105 => "by_form",
        /// The account was closed.
        AccountClosed = 106 => "account_closed",
        /// Its time was over.
        Expired = 107 => "expired",
        /// The user's employment is over.
        EmploymentEnded = 108 => "employment_ended",
        /// Not appointed to this, or not there.
        NotAppointed = 110 => "not_appointed",
        /// It is about themselves.
        Own = 111 => "own",
        /// They have decided on it before, in another duty.
        DecidedBefore = 112 => "decided_before",
        /// The signature is another's.
        OtherSignature = 113 => "other_signature",
        /// It is not theirs to submit.
        NotTheirs = 114 => "not_theirs",
        /// Who they are is not known well enough to tell that it is not about themselves.
        Unidentified = 115 => "unidentified",
        /// An enrolment or collection code that is not known.
        CodeUnknown = 120 => "code_unknown",
        /// Such a code whose time is over.
        CodeExpired = 121 => "code_expired",
        /// Such a code that was used before, or tried too often.
        CodeSpent = 122 => "code_spent",
        /// A message could not be delivered.
        Undelivered = 123 => "undelivered",
        /// An identity provider's answer that does not hold: signature, audience, nonce, time, or one used before.
        ProviderAnswer = 124 => "provider_answer",
        /// A login at an identity provider that is weaker than what was asked for.
        WeakLogin = 125 => "weak_login",
        /// Somebody who is known elsewhere and has no account here.
        NoAccount = 126 => "no_account",
    }
}

wire_enum! {
    /// How an exchange ended.
    pub enum OutcomeKind {
        /// The whole response was released.
        Complete = 1 => "complete",
        /// The client or the upstream broke off after the response had begun.
        Aborted = 2 => "aborted",
        /// The upstream failed, and the gateway answered instead.
        Failed = 3 => "failed",
        /// The gateway refused the request.
        Refused = 4 => "refused",
        /// The gateway stopped before the end was known: the data may have been disclosed.
        Unknown = 5 => "unknown",
        /// The exchange goes on: an upgraded connection or a long transfer. An `end` record follows.
        Open = 6 => "open",
    }
}

wire_enum! {
    /// Which part of an exchange a row tells of. Count accesses by `phase != 'end'`.
    pub enum Phase {
        /// The whole of it.
        Whole = 1 => "whole",
        /// The start of a long one.
        Begin = 2 => "begin",
        /// The end of a long one.
        End = 3 => "end",
        /// A patient whom the answer disclosed while it went on. How it ended stands in another row of its request.
        During = 4 => "during",
    }
}

wire_enum! {
    /// Where a patient's identity stood.
    pub enum Source {
        /// In no place: none was found.
        None = 0 => "none",
        /// The path.
        Path = 1 => "path",
        /// The query string.
        Query = 2 => "query",
        /// A form field of the request body.
        Form = 3 => "form",
        /// A request header.
        Header = 4 => "header",
        /// The request's JSON body.
        Body = 5 => "body",
        /// The response.
        Response = 6 => "response",
    }
}

wire_enum! {
    /// Who set a request off.
    pub enum Initiator {
        /// The user.
        User = 1 => "user",
        /// The application, ahead of the user.
        Prefetch = 2 => "prefetch",
        /// A program without a user.
        Service = 3 => "service",
    }
}

wire_enum! {
    /// How sensitive a route's data are.
    pub enum Sensitivity {
        /// As any care data.
        Normal = 1 => "normal",
        /// Especially sensitive, by config.
        High = 2 => "high",
    }
}

wire_enum! {
    /// A patient's protection at the time of the access.
    pub enum Protection {
        /// Not known here.
        Unknown = 0 => "unknown",
        /// None.
        None = 1 => "none",
        /// Sekretessmarkering.
        Marked = 2 => "marked",
        /// Skyddad folkbokföring.
        ProtectedRegistration = 3 => "protected_registration",
    }
}

wire_enum! {
    /// Whether a care relation was known at the time of the access.
    pub enum Relation {
        /// Not known here.
        Unknown = 0 => "unknown",
        /// Yes.
        Yes = 1 => "yes",
        /// No.
        No = 2 => "no",
    }
}

wire_enum! {
    /// How a user logged in.
    pub enum AuthMethod {
        /// Not logged in.
        None = 0 => "none",
        /// Password and time-based one-time code.
        PasswordTotp = 1 => "password_totp",
        /// Passkey with user verification.
        Passkey = 2 => "passkey",
        /// An identity provider.
        Oidc = 3 => "oidc",
        /// A SITHS card.
        Siths = 4 => "siths",
        /// A program's bearer token.
        Token = 5 => "token",
    }
}

wire_enum! {
    /// What a grant allows in a registry.
    pub enum Right {
        /// LÄS: read.
        Read = 1 => "read",
        /// LÄS_SKRIV: read and change.
        ReadWrite = 2 => "read_write",
    }
}

wire_enum! {
    /// What an authentication event tells of.
    pub enum AuthEventKind {
        /// A TLS handshake was refused.
        HandshakeRefused = 1 => "handshake_refused",
        /// A request of a device that is not or no longer enrolled.
        DeviceRefused = 2 => "device_refused",
        /// Somebody logged in.
        Login = 3 => "login",
        /// A login failed.
        LoginFailed = 4 => "login_failed",
        /// Somebody logged out.
        Logout = 5 => "logout",
        /// A session was ended by another.
        SessionEnded = 6 => "session_ended",
        /// An account was locked.
        AccountLocked = 7 => "account_locked",
        /// An account was unlocked.
        AccountUnlocked = 8 => "account_unlocked",
        /// An account was made.
        AccountCreated = 9 => "account_created",
        /// An account changed state or data.
        AccountChanged = 10 => "account_changed",
        /// An account was closed.
        AccountClosed = 11 => "account_closed",
        /// A grant was given or changed.
        GrantChanged = 12 => "grant_changed",
        /// A device was enrolled.
        DeviceEnrolled = 13 => "device_enrolled",
        /// A device was revoked.
        DeviceRevoked = 14 => "device_revoked",
        /// Credentials were handed out or set.
        CredentialsSet = 15 => "credentials_set",
        /// Audit data were read; `detail` says which.
        AuditRead = 16 => "audit_read",
        /// A connection was cut because a right behind it ended.
        ConnectionCut = 17 => "connection_cut",
        /// Requests were refused before a device or user was known: malformed, misdirected, too many.
        RequestRefused = 18 => "request_refused",
        /// Records of the journal are damaged and set aside; `detail` names their numbers.
        JournalGap = 19 => "journal_gap",
        /// Somebody was appointed to a duty.
        AppointmentGiven = 20 => "appointment_given",
        /// An appointment ended.
        AppointmentEnded = 21 => "appointment_ended",
        /// A form was submitted.
        FormSubmitted = 22 => "form_submitted",
        /// A form was approved in its region.
        FormApproved = 23 => "form_approved",
        /// A form was forwarded by the registry's holder.
        FormForwarded = 24 => "form_forwarded",
        /// A form was executed.
        FormExecuted = 25 => "form_executed",
        /// A form was sent back, to be mended.
        FormReturned = 26 => "form_returned",
        /// A form was refused.
        FormRefused = 27 => "form_refused",
        /// A form lapsed.
        FormLapsed = 28 => "form_lapsed",
        /// Somebody tried what they may not do with a form or an account.
        MoveDenied = 29 => "move_denied",
        /// Somebody saw what stands in a form.
        FormRevealed = 30 => "form_revealed",
        /// A region confirmed an account.
        AccountConfirmed = 31 => "account_confirmed",
        /// An account will have to be confirmed soon.
        ReviewDue = 32 => "review_due",
        /// An account was blocked.
        AccountBlocked = 33 => "account_blocked",
        /// The first of two wants a block lifted.
        LiftProposed = 34 => "lift_proposed",
        /// The second of two has lifted a block.
        BlockLifted = 35 => "block_lifted",
        /// A dormant account is used again.
        AccountReactivated = 36 => "account_reactivated",
        /// One of the two halves of credentials was made, for a channel.
        CredentialsIssued = 37 => "credentials_issued",
        /// A half was handed to its channel: printed, sent or read out.
        CredentialsSent = 38 => "credentials_sent",
        /// A half could not be delivered, or was tried and did not fit.
        CredentialsFailed = 39 => "credentials_failed",
        /// Both halves were shown by the person, who has set credentials of their own.
        CredentialsCollected = 40 => "credentials_collected",
        /// Somebody accepted the security instructions; `detail` has their version.
        InstructionsAccepted = 41 => "instructions_accepted",
        /// A code to enrol a device by was made.
        DeviceCodeIssued = 42 => "device_code_issued",
        /// A device's enrolment was refused.
        DeviceCodeRefused = 43 => "device_code_refused",
        /// A device's certificate was renewed.
        DeviceRenewed = 44 => "device_renewed",
        /// Data about people, units or organisations were brought in or added; `detail` says which and how many. Of an
        /// organisation that devices may be enrolled for, the event's organisation is it.
        DataImported = 45 => "data_imported",
        /// Somebody opened a patient in an emergency; `reason` says why.
        EmergencyOpened = 46 => "emergency_opened",
        /// Somebody tried to, and what they showed for it does not hold.
        EmergencyRefused = 47 => "emergency_refused",
        /// A log reviewer has seen an opening.
        EmergencySeen = 48 => "emergency_seen",
    }
}
