// Beside htmx, on pages with lists that change in place. An answer that is no such list (the session has ended, a choice is
// wrong, something does not work) is asked for again as without scripts, and shown whole. What could not be asked at all is
// said. The focus is not lost with a link that is no longer there.
'use strict';

(() => {
  const whole = (element) => {
    if (element instanceof HTMLFormElement) element.submit();
    else window.location.assign(element.href);
  };

  document.addEventListener('htmx:beforeSwap', (event) => {
    const { xhr, requestConfig } = event.detail;
    if (xhr.status === 200 && xhr.responseText.includes('<div id="list"')) return;
    event.preventDefault();
    whole(requestConfig.elt);
  });

  for (const failure of ['htmx:sendError', 'htmx:timeout']) {
    document.addEventListener(failure, () => {
      const found = document.getElementById('found');
      found.textContent = found.dataset.failed;
    });
  }

  document.addEventListener('htmx:afterSettle', () => {
    if (document.activeElement === document.body) document.getElementById('list').focus();
  });
})();
