# Nödöppning, och granskningen av dem.
emergency-heading = Nödöppning
emergency-intro = Du har inte behörighet till den här patientens uppgifter. I en nödsituation kan du öppna dem ändå.
emergency-minutes = { $minutes ->
    [one] Du kan läsa den här patientens uppgifter i en minut, och inga andra.
   *[other] Du kan läsa den här patientens uppgifter i { $minutes } minuter, och inga andra.
}
emergency-recorded = Öppningen registreras med ditt namn, tiden och skälet.
emergency-reviewed = Den granskas alltid, av den som granskar enhetens åtkomster.
emergency-registry = Register
emergency-why = Varför behöver du öppna?
emergency-why-life = Fara för patientens liv eller hälsa
emergency-why-incapable = Patienten är medvetslös eller kan inte samtycka
emergency-why-acute = Akut vård som inte kan vänta
emergency-why-other = Annat skäl
emergency-why-missing = Välj varför du behöver öppna
emergency-words = Beskriv situationen
emergency-words-hint = 10 till 500 tecken. Skriv inte patientens namn eller personnummer.
emergency-words-length = Beskriv situationen med 10 till 500 tecken
emergency-words-identity = Ta bort personnumret ur beskrivningen
emergency-open = Öppna patientens uppgifter
emergency-done-heading = Öppnat
emergency-done = { $minutes ->
    [one] Patientens uppgifter är öppna för dig i en minut.
   *[other] Patientens uppgifter är öppna för dig i { $minutes } minuter.
}
emergency-back = Till patientens uppgifter
emergency-back-none = Gå tillbaka till registret och öppna patienten där.
emergency-nothing = Hit kommer man från registret: öppna patienten där, och gå vidare därifrån om du nekas. Inget har öppnats.
emergency-expired = Det tog för lång tid. Öppna patienten i registret igen, och gå vidare därifrån. Inget har öppnats. Försöket är registrerat.
emergency-replayed = Det här är redan använt. Är tiden ute öppnar du patienten i registret igen, och går vidare därifrån. Försöket är registrerat.
emergency-forged = Det här gäller inte i din inloggning. Öppna patienten i registret igen, och gå vidare därifrån. Inget har öppnats. Försöket är registrerat.
emergency-too-many = Du har för många öppningar på samma gång. Vänta tills någon av dem har stängts, eller ring supporten. Inget har öppnats.

emergencies-link = Nödöppningar
emergencies-heading = Nödöppningar
emergencies-intro = Patienten står som den pseudonym som loggen har. Att du läser listan registreras.
emergencies-filter = Välj nödöppningar
emergencies-from = Från och med
emergencies-to = Till och med
emergencies-state = Granskning
emergencies-any = Alla
emergencies-unseen = Inte granskade
emergencies-seen = Granskad
emergencies-unit = Enhetens HSA-id
emergencies-wrong = Urvalet kunde inte läsas. Här är alla.
emergencies-none = Inga nödöppningar stämmer med urvalet.
emergencies-caption = Nödöppningar, de senaste först
emergencies-opened = Öppen
emergencies-who = Vem
emergencies-units = Enhet
emergencies-patient = Patient (pseudonym)
emergencies-why = Skäl
emergencies-mark = Markera som granskad
emergencies-mark-of = Markera som granskad: { $name }, { $time }
emergencies-done = Nödöppningen är markerad som granskad.
