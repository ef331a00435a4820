# Emergency access, and its review.
emergency-heading = Emergency access
emergency-intro = You have no right to this patient's data. In an emergency you can open them all the same.
emergency-minutes = { $minutes ->
    [one] You can read this patient's data for a minute, and nobody else's.
   *[other] You can read this patient's data for { $minutes } minutes, and nobody else's.
}
emergency-recorded = It is recorded with your name, the time and the reason.
emergency-reviewed = It is always reviewed, by whoever reviews the unit's accesses.
emergency-registry = Registry
emergency-why = Why do you need to open them?
emergency-why-life = Danger to the patient's life or health
emergency-why-incapable = The patient is unconscious or cannot consent
emergency-why-acute = Acute care that cannot wait
emergency-why-other = Another reason
emergency-why-missing = Choose why you need to open them
emergency-words = Describe the situation
emergency-words-hint = 10 to 500 characters. Do not write the patient's name or personal identity number.
emergency-words-length = Describe the situation in 10 to 500 characters
emergency-words-identity = Take the personal identity number out of the description
emergency-open = Open the patient's data
emergency-done-heading = Opened
emergency-done = { $minutes ->
    [one] The patient's data are open to you for a minute.
   *[other] The patient's data are open to you for { $minutes } minutes.
}
emergency-back = To the patient's data
emergency-back-none = Go back to the registry and open the patient there.
emergency-nothing = One comes here from the registry: open the patient there, and go on from there if you are refused. Nothing was opened.
emergency-expired = It took too long. Open the patient in the registry again, and go on from there. Nothing was opened. The attempt is on record.
emergency-replayed = This was used already. If its time is over, open the patient in the registry again, and go on from there. The attempt is on record.
emergency-forged = This does not count in your login. Open the patient in the registry again, and go on from there. Nothing was opened. The attempt is on record.
emergency-too-many = You have too many openings at a time. Wait until one of them has closed, or call the help desk. Nothing was opened.

emergencies-link = Emergency access
emergencies-heading = Emergency access
emergencies-intro = The patient stands here as the pseudonym that the log has. That you read the list is recorded.
emergencies-filter = Choose openings
emergencies-from = From
emergencies-to = To
emergencies-state = Review
emergencies-any = All
emergencies-unseen = Not reviewed
emergencies-seen = Reviewed
emergencies-unit = The unit's HSA-id
emergencies-wrong = The choice could not be read. Here are all.
emergencies-none = No opening fits the choice.
emergencies-caption = Openings, the newest first
emergencies-opened = Open
emergencies-who = Who
emergencies-units = Unit
emergencies-patient = Patient (pseudonym)
emergencies-why = Reason
emergencies-mark = Mark as reviewed
emergencies-mark-of = Mark as reviewed: { $name }, { $time }
emergencies-done = The opening is marked as reviewed.
