// Passkeys: fetches a question, asks the browser, and sends the answer with the form that the button is in. Without
// this script, or in a browser that has no passkeys, login by password works as it does anyway.
'use strict';

(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  const withBytes = (list) => (list ?? []).map((one) => ({ ...one, id: bytes(one.id) }));

  // The page's own trouble, in words for the user.
  class Trouble extends Error {}

  async function post(path, body, refused) {
    const response = await fetch(path, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), credentials: 'same-origin',
    });
    const answer = await response.json();
    if (!response.ok) throw new Trouble(refused ?? answer.title);
    return answer;
  }

  // The answers in the standard's JSON form; what not all browsers can do themselves yet.
  async function ask({ publicKey }) {
    const given = await navigator.credentials.get({
      publicKey: { ...publicKey, challenge: bytes(publicKey.challenge), allowCredentials: withBytes(publicKey.allowCredentials) },
    });
    const { authenticatorData, clientDataJSON, signature, userHandle } = given.response;
    return answer(given, {
      authenticatorData: text(authenticatorData), clientDataJSON: text(clientDataJSON), signature: text(signature),
      userHandle: userHandle ? text(userHandle) : null,
    });
  }

  async function make({ publicKey }) {
    const made = await navigator.credentials.create({
      publicKey: {
        ...publicKey,
        challenge: bytes(publicKey.challenge),
        user: { ...publicKey.user, id: bytes(publicKey.user.id) },
        excludeCredentials: withBytes(publicKey.excludeCredentials),
      },
    });
    const { attestationObject, clientDataJSON } = made.response;
    return answer(made, { attestationObject: text(attestationObject), clientDataJSON: text(clientDataJSON) });
  }

  function answer(credential, response) {
    return JSON.stringify({ id: credential.id, rawId: text(credential.rawId), type: credential.type, response, clientExtensionResults: {} });
  }

  // What each form does before it is sent: the fields to send with it.
  const deeds = {
    'passkey-login': async (page) => {
      const form = document.querySelector('input[name=form]').value;
      const { options, ticket } = await post('/auth/login/passkey/question', { form, lang: page.elements.lang.value });
      return { ticket, answer: await ask(options) };
    },
    'passkey-add': async (page, by) => {
      const common = { form: page.elements.form.value, lang: page.elements.lang.value };
      let proof = { code: document.getElementById('code')?.value ?? '' };
      if (by === 'passkey') {
        const { options, ticket } = await post('/auth/passkeys/confirm', common);
        proof = { ticket, answer: await ask(options) };
      }
      const { options, ticket } = await post('/auth/passkeys/new', { ...common, ...proof });
      return { ticket, answer: await make(options) };
    },
    'passkey-collect': async (page) => {
      const common = { form: page.elements.form.value, lang: page.elements.lang.value };
      const { options, ticket } = await post('/auth/collect/passkey/question', common);
      return { ticket, answer: await make(options) };
    },
    // The passkey is shown to the session; what is to be signed is sent as it is.
    'passkey-sign': async (page, by, told) => {
      const { options, ticket } = await post('/admin/api/v1/step-up/question', {});
      await post('/admin/api/v1/step-up/passkey', { ticket, answer: await ask(JSON.parse(options)) }, told.refused);
      return {};
    },
  };

  // `told` has the words for the user.
  function serve(form, told, deed) {
    const buttons = [...form.querySelectorAll('button')];
    const say = (kind, words) => { form.querySelector(kind).textContent = words; };
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      const button = event.submitter ?? buttons[0];
      say('.problem', '');
      say('.status', told.waiting);
      for (const one of buttons) one.disabled = true;
      try {
        const fields = await deed(form, button.value, told);
        for (const [name, value] of Object.entries(fields)) form.elements[name].value = value;
        form.submit();
      } catch (error) {
        const given = error instanceof DOMException ? told.noneGiven : told.noAnswer;
        say('.status', '');
        say('.problem', error instanceof Trouble && error.message ? error.message : given);
        for (const one of buttons) one.disabled = false;
        button.focus();
      }
    });
  }

  // A page that comes back out of the browser's memory has buttons at rest and an old form.
  window.addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });
  if (!window.PublicKeyCredential || !navigator.credentials) return;
  document.getElementById('passkeys')?.removeAttribute('hidden');
  document.getElementById('no-passkeys')?.setAttribute('hidden', '');
  for (const [id, deed] of Object.entries(deeds)) {
    const place = document.getElementById(id);
    const form = place?.tagName === 'FORM' ? place : place?.querySelector('form');
    if (form) serve(form, place.dataset, deed);
  }
})();
