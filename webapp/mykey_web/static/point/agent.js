// The loopback agent's API as a client object. It sends and receives; what an answer means is decided elsewhere.

import { answerOf } from "../hub/answer.js";

/**
 * @typedef {{name: string, title: string, type: "text"|"barcode"|"date"|"integer", required: boolean, pattern?: string|null, max_length?: number}} Field
 * @typedef {{name: string, title: string, subject: "registered"|"enrol"|"visit"|"none", fields: Field[], offline?: boolean}} Action
 * @typedef {{service: string, title: string, description: string, needs: string[], actions: Action[]}} Service
 * @typedef {{attempts_remaining: number|null, blocked: boolean}} PinState
 * @typedef {{code?: string, title?: string, detail?: string, what_to_do?: string, offers?: string[], evidence?: any}} Problem
 * @typedef {{command: string, response: string, note?: string}} TraceLine
 * @typedef {{state: "done"|"problem", tap_id?: string, result?: any, problem?: Problem, card?: PinState|null, trace?: TraceLine[]}} Outcome
 */

const QUICK_MS = 10_000;
/** Also for pairing: the browser may first ask the person for permission. */
const WITH_CARD_MS = 60_000;

/** No answer came: the agent is not there, or the browser did not let the request through. */
export class AgentUnreachable extends Error {}

/** The agent answered with a problem document. */
export class AgentProblem extends Error {
  /**
   * @param {number} status
   * @param {Problem} problem
   */
  constructor(status, problem) {
    super(problem.code ?? `status ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

export class Agent {
  /**
   * @param {number} port
   * @param {string|null} token
   * @param {() => string} language
   */
  constructor(port, token, language) {
    this.address = `http://127.0.0.1:${port}/agent/v1`;
    this.token = token;
    this.language = language;
  }

  /** @param {string} code @returns {Promise<string>} the pairing token */
  async pair(code) {
    const answer = await this.send("POST", "/pair", { code }, WITH_CARD_MS);
    this.token = answer.token;
    return answer.token;
  }

  status() {
    return this.send("GET", "/status");
  }

  tray() {
    return this.send("GET", "/tray");
  }

  /** @param {string|null} card */
  insert(card) {
    return this.send("PUT", "/tray/inserted", { card });
  }

  card() {
    return this.send("GET", "/card", undefined, WITH_CARD_MS);
  }

  services() {
    return this.send("GET", "/services");
  }

  /** @param {Record<string, any>} request @returns {Promise<Outcome>} */
  tap(request) {
    return this.send("POST", "/taps", request, WITH_CARD_MS);
  }

  /** An earlier tap's answer in the language of the moment; nothing is done again. @param {string} id @returns {Promise<any>} */
  tapAgain(id) {
    return this.send("GET", `/taps/${encodeURIComponent(id)}`);
  }

  /** With the `request_id` of an earlier request: its answer again. @param {Record<string, any>} request @returns {Promise<Outcome>} */
  act(request) {
    return this.send("POST", "/actions", request, WITH_CARD_MS);
  }

  /** While the hub is away: note an action that concerns nobody; it is sent later. @param {Record<string, any>} request @returns {Promise<{seq: number}>} */
  record(request) {
    return this.send("POST", "/records", request);
  }

  /** A receipt as PDF in base64. @param {Record<string, any>} shown @returns {Promise<{pdf: string}>} */
  receipt(shown) {
    return this.send("POST", "/receipts", shown);
  }

  /** The holder of the card has finished. @param {string} id of the visit */
  endVisit(id) {
    return this.send("DELETE", `/visits/${encodeURIComponent(id)}`);
  }

  /** What may be written on cards here. */
  cardProfiles() {
    return this.send("GET", "/card-profiles");
  }

  /** Begin to write the card in the reader; ask `writing` how far it is. @param {Record<string, any>} order */
  writeCard(order) {
    return this.send("POST", "/card-writings", order, WITH_CARD_MS);
  }

  /** One transaction with a service on the card. @param {Record<string, any>} order */
  cardTap(order) {
    return this.send("POST", "/card-taps", order, WITH_CARD_MS);
  }

  /** @param {string} id of the writing */
  writing(id) {
    return this.send("GET", `/card-writings/${encodeURIComponent(id)}`);
  }

  /** @param {string} id @param {"go-on"|"approval"|"release"} step @param {Record<string, any>} [body] */
  writingStep(id, step, body = {}) {
    return this.send("POST", `/card-writings/${encodeURIComponent(id)}/${step}`, body, WITH_CARD_MS);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {any} [body]
   * @param {number} [patience] milliseconds
   * @returns {Promise<any>}
   */
  async send(method, path, body, patience = QUICK_MS) {
    const response = await this.reach(method, path, body, patience);
    const answer = await answerOf(response).catch((error) => {
      throw new AgentUnreachable(String(error));
    });
    if (!response.ok) throw new AgentProblem(response.status, answer);
    return answer;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {any} body
   * @param {number} patience
   */
  async reach(method, path, body, patience) {
    try {
      return await fetch(this.address + path, {
        method,
        headers: this.headers(body !== undefined),
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: "omit",
        cache: "no-store",
        redirect: "error",
        signal: AbortSignal.timeout(patience),
      });
    } catch (error) {
      throw new AgentUnreachable(String(error));
    }
  }

  /** @param {boolean} withBody */
  headers(withBody) {
    /** @type {Record<string, string>} */
    const headers = { Accept: "application/json", "Accept-Language": this.language() };
    if (withBody) headers["Content-Type"] = "application/json";
    if (this.token) headers["Mykey-Pairing"] = this.token;
    return headers;
  }
}
