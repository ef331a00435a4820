# What all pages have.
page-title = { $page } – { $title }
page-skip = Skip to content
page-menu = Menu
page-other-language = På svenska
page-log-out = Log out
page-help = Help
page-who = Logged in: { $name }
page-recorded = What is done here is recorded.

link-start = Start

start-heading = Administration

wrong-heading = Something needs mending
wrong-stale = The page had been open for too long, or was not opened from here. Nothing was changed. Check what you typed and send it again.

trouble-back = To the start page
trouble-not-found = There is nothing here
trouble-not-found-text = The address is wrong, or you may not know of what is here.
trouble-method = The page cannot be used like this
trouble-method-text = Go back and try again from there.
trouble-unavailable = This does not answer now
trouble-unavailable-text = Nothing was changed. Please try again in a while.
trouble-unreadable = What was sent cannot be read
trouble-unreadable-text = Nothing was changed. Go back and try again.

list-found = { $count ->
    [0] No line is shown.
    [one] One line is shown.
   *[other] { $count } lines are shown.
}
list-found-more = { $count ->
    [one] One line is shown, and there are more on the next page.
   *[other] { $count } lines are shown, and there are more on the next page.
}
list-busy = Loading …
list-failed = The list could not be loaded, and what is shown is not what you chose. Try again in a while.
