import { Agent, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';

// Far beyond what a shutdown may take.
const ANSWER_LIMIT_MS = 30_000;

export interface Outcome {
  /**
   * `refused`: nobody listened. `never accepted`: the connection of this very request was reset before any answer. The
   * kernel makes connections for a program that has not asked for them yet, and resets them when the program stops to
   * listen; the program never knew. That it did not, only the program's data can tell. `dropped`: anything else but an
   * answer.
   */
  readonly kind: 'answered' | 'refused' | 'never accepted' | 'dropped';
  readonly what: string;
  readonly status?: number;
  readonly details: string;
  readonly endedAt: number;
}

/** One client of an HTTP server, which asks one thing after another and remembers what became of each. */
export class HttpClient {
  readonly outcomes: Outcome[] = [];
  private readonly agent: Agent;
  private waiting = false;
  private turnedAway = false;

  /** @param keepsConnection whether it keeps its connection for the next request, or makes one for each */
  constructor(
    readonly name: string,
    private readonly url: string,
    private readonly keepsConnection: boolean,
  ) {
    this.agent = new Agent({ keepAlive: keepsConnection, maxSockets: 1 });
  }

  /** Whether an answer is outstanding. */
  get isWaiting(): boolean {
    return this.waiting;
  }

  /**
   * Whether it has been told to go elsewhere: its kept connection is closed with the answer, or cannot be made or used
   * any more.
   */
  get isTurnedAway(): boolean {
    return this.turnedAway;
  }

  /** @param what names the request in its outcome */
  async post(path: string, body: object, what: string): Promise<void> {
    const startedAt = performance.now();
    this.waiting = true;
    const outcome = await this.exchange(path, JSON.stringify(body));
    this.waiting = false;
    const endedAt = performance.now();
    const details = `${outcome.details}, ${Math.round(endedAt - startedAt)} ms`;
    this.outcomes.push({ ...outcome, what, details, endedAt });
    if (outcome.kind !== 'answered') this.turnedAway = true;
    if (this.turnedAway) this.agent.destroy();
  }

  private async exchange(path: string, body: string): Promise<Pick<Outcome, 'kind' | 'status' | 'details'>> {
    const sent = request(this.url + path, {
      agent: this.agent,
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
    try {
      const answer = await new Promise<IncomingMessage>((resolve, reject) => {
        sent.on('response', resolve).on('error', reject).end(body);
      });
      const said = await text(answer);
      if (this.keepsConnection && answer.headers.connection === 'close') this.turnedAway = true;
      return { kind: 'answered', status: answer.statusCode, details: `${answer.statusCode} ${said.slice(0, 200)}` };
    } catch (error) {
      const { code = 'no code', message } = error as NodeJS.ErrnoException;
      const connection = sent.reusedSocket ? 'kept connection' : 'new connection';
      return { kind: kindOf(code, sent.reusedSocket), details: `${code} on a ${connection}: ${message}` };
    }
  }
}

function kindOf(code: string, isKept: boolean): Outcome['kind'] {
  if (code === 'ECONNREFUSED') return 'refused';
  return code === 'ECONNRESET' && !isKept ? 'never accepted' : 'dropped';
}
