// A remote plugin of a mykey hub, with nothing but Node's own modules: signs citizens in by OpenID Connect, calls the
// hub's REST interface as itself, and takes webhooks. Configured by the environment: HUB, PORT, CLIENT, KEY (PEM file).
import { createServer } from "node:http";
import { createHash, createPrivateKey, createPublicKey, randomBytes, randomUUID, sign, verify } from "node:crypto";
import { readFileSync } from "node:fs";

const { HUB, CLIENT, KEY } = process.env;
const PORT = Number(process.env.PORT);
const OWN = `http://127.0.0.1:${PORT}`;
const privateKey = createPrivateKey(readFileSync(KEY));
const WEBHOOK_WINDOW = 300; // seconds between the hub's clock and ours
const logins = new Map(); // state -> {verifier, nonce}
const seen = new Map(); // webhook-id -> body: a repetition does nothing twice
const loggedOut = [];

const b64u = (data) => Buffer.from(data).toString("base64url");
const now = () => Math.floor(Date.now() / 1000);
const json = async (address, options) => {
  const answer = await fetch(address, options);
  return { status: answer.status, body: answer.status === 204 ? null : await answer.json() };
};
let known;
const discovery = async () => {
  known ??= (await json(`${HUB}/.well-known/openid-configuration`)).body;
  if (known.issuer !== HUB) throw new Error("the issuer is not the hub");
  return known;
};

// -- signing people in ---------------------------------------------------------------------------------------

async function begin(query) {
  const { authorization_endpoint } = await discovery();
  const [state, nonce, verifier] = [randomUUID(), randomUUID(), b64u(randomBytes(32))];
  logins.set(state, { verifier, nonce });
  const asked = new URLSearchParams({
    response_type: "code", client_id: CLIENT, redirect_uri: `${OWN}/callback`, scope: "openid purpose:residence",
    state, nonce, code_challenge: b64u(createHash("sha256").update(verifier).digest()), code_challenge_method: "S256",
  });
  for (const [name, value] of query) asked.set(name, value);
  return `${authorization_endpoint}?${asked}`;
}

function assertion(audience) {
  const header = b64u(JSON.stringify({ alg: "Ed25519", typ: "JWT" }));
  const claims = { iss: CLIENT, sub: CLIENT, aud: audience, iat: now(), exp: now() + 60, jti: randomUUID() };
  const signed = `${header}.${b64u(JSON.stringify(claims))}`;
  return `${signed}.${b64u(sign(null, Buffer.from(signed), privateKey))}`;
}

async function askToken(parameters) {
  const { token_endpoint } = await discovery();
  return json(token_endpoint, {
    method: "POST",
    body: new URLSearchParams({
      ...parameters, client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: assertion(token_endpoint),
    }),
  });
}

async function verified(token, type) {
  const { jwks_uri, issuer } = await discovery();
  const [header, payload, signature] = token.split(".");
  const { alg, kid, typ } = JSON.parse(Buffer.from(header, "base64url"));
  if (alg !== "ES256" || (type && typ !== type)) throw new Error("wrong algorithm or type");
  const jwk = (await json(jwks_uri)).body.keys.find((key) => key.kid === kid);
  if (!jwk) throw new Error("unknown key");
  const key = { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" };
  if (!verify("sha256", Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, "base64url")))
    throw new Error("wrong signature");
  const claims = JSON.parse(Buffer.from(payload, "base64url"));
  if (claims.iss !== issuer || claims.aud !== CLIENT || claims.exp <= now() - 30) throw new Error("wrong claims");
  return claims;
}

async function callback(query) {
  const login = logins.get(query.get("state"));
  logins.delete(query.get("state"));
  if (!login) return { status: 400, body: { error: "unknown state" } };
  if (query.get("iss") !== HUB) return { status: 400, body: { error: "mix-up: wrong issuer" } }; // RFC 9207
  if (query.get("error")) return { status: 403, body: { error: query.get("error") } };
  const token = await askToken({
    grant_type: "authorization_code", code: query.get("code"), redirect_uri: `${OWN}/callback`,
    code_verifier: login.verifier,
  });
  if (token.status !== 200) return token;
  const claims = await verified(token.body.id_token);
  if (claims.nonce !== login.nonce) return { status: 400, body: { error: "wrong nonce" } };
  const { userinfo_endpoint } = await discovery();
  const about = await json(userinfo_endpoint, { headers: { Authorization: `Bearer ${token.body.access_token}` } });
  if (about.body.sub !== claims.sub) return { status: 400, body: { error: "another person" } };
  return { status: 200, body: { claims, about: about.body, id_token: token.body.id_token } };
}

// -- as itself -----------------------------------------------------------------------------------------------

async function call(scope, path, body) {
  const token = await askToken({ grant_type: "client_credentials", scope });
  if (token.status !== 200) return token;
  return json(`${HUB}/api/v1/remote/${path}`, {
    method: body ? "POST" : "GET", body: body && JSON.stringify(body),
    headers: { Authorization: `Bearer ${token.body.access_token}`, "Content-Type": "application/json" },
  });
}

// -- webhooks ------------------------------------------------------------------------------------------------

async function webhook(headers, body) {
  const [id, at, signatures] = ["id", "timestamp", "signature"].map((name) => headers[`webhook-${name}`] ?? "");
  if (Math.abs(now() - Number(at)) > WEBHOOK_WINDOW) return { status: 400, body: { error: "too old or too new" } };
  const { keys } = (await json(`${HUB}/oidc/webhook-keys.json`)).body;
  const signed = Buffer.concat([Buffer.from(`${id}.${at}.`), body]);
  const right = signatures.split(" ").filter((one) => one.startsWith("v1a,")).some((one) => keys.some((jwk) =>
    verify(null, signed, createPublicKey({ key: jwk, format: "jwk" }), Buffer.from(one.slice(4), "base64"))));
  if (!right) return { status: 401, body: { error: "wrong signature" } };
  const repeated = seen.has(id);
  if (!repeated) seen.set(id, JSON.parse(body));
  return { status: 200, body: { repeated } };
}

async function logout(body) {
  const claims = await verified(new URLSearchParams(body.toString()).get("logout_token"), "logout+jwt");
  if (claims.nonce || !claims.events["http://schemas.openid.net/event/backchannel-logout"])
    return { status: 400, body: { error: "no logout token" } };
  loggedOut.push({ sub: claims.sub, sid: claims.sid });
  return { status: 200, body: {} };
}

const read = async (request) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
};

createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, OWN);
  const body = await read(request);
  let answer = { status: 404, body: {} };
  try {
    if (pathname === "/login") {
      response.writeHead(302, { Location: await begin(searchParams) }).end();
      return;
    }
    if (pathname === "/callback") answer = await callback(searchParams);
    if (pathname === "/call") {
      const { scope, path, content } = JSON.parse(body);
      answer = await call(scope, path, content);
    }
    if (pathname === "/webhook") answer = await webhook(request.headers, body);
    if (pathname === "/logout") answer = await logout(body);
    if (pathname === "/seen") answer = { status: 200, body: { seen: Object.fromEntries(seen), loggedOut } };
  } catch (error) {
    answer = { status: 500, body: { error: error.message } };
  }
  response.writeHead(answer.status, { "Content-Type": "application/json" }).end(JSON.stringify(answer.body ?? {}));
}).listen(PORT, "127.0.0.1", () => console.log("ready"));
