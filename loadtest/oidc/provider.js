// A real identity provider (npm's oidc-provider) with people of its own, for auditor/tests/it/oidc.rs.
//
// It takes a free port of this machine and prints its issuer. Who logs in is said by the test: GET /interaction/…?as=NAME.
// Some people's ID tokens are exchanged for others on the way out, as something between provider and auditor could do.
// PUT /logout-address with a URL says where the provider is to tell of logouts: that is known only once the auditor listens. A
// client that has such an address gets the session's name in its ID tokens.
//
// It ends when its standard input does, so that it does not outlive the test.
import { createServer } from 'node:http';
import { SignJWT, decodeJwt, exportJWK, generateKeyPair } from 'jose';
import { Provider, interactionPolicy } from 'oidc-provider';

const CLIENT = 'grindvakt';
const { secret, callback, level } = JSON.parse(process.argv[2]);
const UNIT = 'SE2321000016-1003';
const OTHER_UNIT = 'SE2321000016-1004';
const CARE_PROVIDER = 'SE2321000016-1001';
const anna = {
  employeeHsaId: 'SE2321000016-39KJ',
  commissionHsaId: UNIT,
  commissionName: 'Vård och behandling',
  healthCareUnitHsaId: UNIT,
  healthCareUnitName: 'Avdelning 1',
  healthCareProviderHsaId: CARE_PROVIDER,
};
const PEOPLE = {
  anna,
  // A claim that is asked for in the ID token and given only when the provider is asked.
  later: anna,
  weak: anna,
  nonce: anna,
  audience: anna,
  signature: anna,
  expired: anna,
  unknown: { ...anna, employeeHsaId: 'SE2321000016-39KX' },
  nameless: { ...anna, employeeHsaId: undefined },
  two: {
    ...anna,
    commissionHsaId: [UNIT, OTHER_UNIT],
    commissionName: ['Vård och behandling', 'Forskning'],
    healthCareUnitHsaId: [UNIT, OTHER_UNIT],
    healthCareUnitName: ['Avdelning 1', 'Avdelning 2'],
    healthCareProviderHsaId: [CARE_PROVIDER, CARE_PROVIDER],
  },
};
const CLAIMS = Object.keys(anna);

const key = async () => (await generateKeyPair('ES256', { extractable: true })).privateKey;
const own = await key();
const another = await key();
const KID = 'signing';

// What becomes of some people's ID tokens.
const sign = (claims, by) => new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: KID, typ: 'JWT' }).sign(by);
const BENT = {
  nonce: (claims) => sign({ ...claims, nonce: 'of-another-question' }, own),
  audience: (claims) => sign({ ...claims, aud: 'another-client' }, own),
  expired: (claims) => sign({ ...claims, iat: claims.iat - 7200, exp: claims.iat - 3600 }, own),
  signature: (claims) => sign(claims, another),
  later: ({ employeeHsaId, ...claims }) => sign(claims, own),
};

const client = {
  client_id: CLIENT,
  client_secret: secret,
  redirect_uris: [callback],
  response_types: ['code'],
  grant_types: ['authorization_code'],
  id_token_signed_response_alg: 'ES256',
  backchannel_logout_session_required: true,
};

// Everything in memory; the client as it is now.
const kept = new Map();
class Memory {
  constructor(model) {
    this.model = model;
  }
  key(id) {
    return `${this.model}:${id}`;
  }
  async upsert(id, payload) {
    kept.set(this.key(id), payload);
  }
  async find(id) {
    return this.model === 'Client' ? (id === CLIENT ? client : undefined) : kept.get(this.key(id));
  }
  async findByUid(uid) {
    return [...kept.entries()].find(([id, payload]) => id.startsWith(`${this.model}:`) && payload.uid === uid)?.[1];
  }
  async findByUserCode() {
    return undefined;
  }
  async consume(id) {
    kept.get(this.key(id)).consumed = Math.floor(Date.now() / 1000);
  }
  async destroy(id) {
    kept.delete(this.key(id));
  }
  async revokeByGrantId(grantId) {
    for (const [id, payload] of kept) if (payload.grantId === grantId) kept.delete(id);
  }
}

// A provider that does not heed which login is essential: the auditor has to.
const policy = interactionPolicy.base();
policy.get('login').checks.remove('essential_acr');
policy.get('login').checks.remove('essential_acrs');

let handle;
const server = createServer((request, response) => handle(request, response));
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  adapter: Memory,
  jwks: { keys: [{ ...(await exportJWK(own)), kid: KID, alg: 'ES256', use: 'sig' }] },
  cookies: { keys: ['a key of a test'] },
  claims: { openid: ['sub'], acr: null, auth_time: null, sid: null, iss: null, commission: CLAIMS },
  acrValues: [level, 'http://id.sambi.se/loa/loa2'],
  features: {
    devInteractions: { enabled: false },
    claimsParameter: { enabled: true },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: { enabled: true },
  },
  // By itself it asks nobody on this machine; here that is where the auditor is.
  fetch: (url, { dispatcher: _, ...options }) => globalThis.fetch(url, options),
  interactions: { policy, url: (_, interaction) => `/interaction/${interaction.uid}` },
  pkce: { required: () => true },
  findAccount: (_, id) => PEOPLE[id] && { accountId: id, claims: () => ({ sub: id, ...PEOPLE[id] }) },
  // Whoever logs in agrees to all that is asked for.
  async loadExistingGrant({ oidc }) {
    const grant = new provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
    grant.addOIDCScope('openid commission');
    grant.addOIDCClaims(CLAIMS);
    await grant.save();
    return grant;
  },
});

provider.use(async (ctx, next) => {
  await next();
  const token = ctx.oidc?.route === 'token' && ctx.body?.id_token;
  if (!token) return;
  const claims = decodeJwt(token);
  if (BENT[claims.sub]) ctx.body.id_token = await BENT[claims.sub](claims);
});

const serve = provider.callback();
handle = async (request, response) => {
  const url = new URL(request.url, issuer);
  try {
    if (url.pathname === '/logout-address') {
      let body = '';
      for await (const part of request) body += part;
      client.backchannel_logout_uri = body;
      response.end();
    } else if (url.pathname.startsWith('/interaction/')) {
      const as = url.searchParams.get('as');
      const acr = as === 'weak' ? 'http://id.sambi.se/loa/loa2' : level;
      const result = as ? { login: { accountId: as, acr } } : { error: 'access_denied' };
      await provider.interactionFinished(request, response, result);
    } else {
      serve(request, response);
    }
  } catch (error) {
    console.error(error);
    response.writeHead(500).end(String(error));
  }
};
provider.on('server_error', (_, error) => console.error(error));
provider.on('backchannel.error', (_, error) => console.error(error));

process.stdin.on('end', () => process.exit(0)).resume();
console.log(issuer);
