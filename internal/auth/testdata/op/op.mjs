// A real OpenID provider (npm oidc-provider) for annal's tests: node op.mjs PORT. It prints "ready" and ends when its
// standard input does. A line "rotate" there gives it new keys; the old ones are withdrawn.
import { Provider } from 'oidc-provider';
import { createServer } from 'node:http';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;

function key(type, options, alg) {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg, use: 'sig' };
}

function provider() {
  const keys = [key('rsa', { modulusLength: 2048 }, 'RS256'), key('ec', { namedCurve: 'P-256' }, 'ES256')];
  const server = (alg) => ({
    audience: alg === 'none' ? 'https://other.test' : 'https://annal.test/api', scope: 'audit:read audit:export',
    accessTokenFormat: 'jwt', accessTokenTTL: 300, jwt: { sign: { alg: alg === 'none' ? 'RS256' : alg } },
  });
  return new Provider(issuer, {
    jwks: { keys },
    scopes: ['openid', 'audit:read', 'audit:export'],
    clients: [{
      client_id: 'reporting', client_secret: 's3cr3t', grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
      token_endpoint_auth_method: 'client_secret_basic',
    }],
    features: {
      clientCredentials: { enabled: true }, devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true, defaultResource: () => 'urn:RS256', useGrantedResource: () => true,
        getResourceServerInfo: (_, resource) => server(resource.slice('urn:'.length)),
      },
    },
    extraTokenClaims: () => ({ tenant_id: 'acme', groups: ['audit-readers'] }),
  });
}

let handle = provider().callback();
createServer((request, response) => handle(request, response)).listen(port, '127.0.0.1', () => console.log('ready'));
createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'rotate') handle = provider().callback();
  console.log(line);
}).on('close', () => process.exit(0));
