export interface WireRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent by POST; without it the request is a GET. */
  readonly body?: string;
  readonly signal: AbortSignal;
}

export interface WireAnswer<Body> {
  readonly status: number;
  /** The header of that name. */
  readonly retryAfter?: string;
  readonly body: Body;
}

/**
 * One HTTP request and its answer, of whatever status. What the answer means, how long it may take and whether to ask
 * again is decided above.
 */
export abstract class VorpalWire {
  /** @throws WireError; anything once `signal` is aborted */
  abstract text(request: WireRequest): Promise<WireAnswer<string>>;
}

/** What can go wrong before an answer is complete. `stale`: a kept connection ended before any of the answer had come. */
export type WireFault = 'unreachable' | 'stale' | 'not HTTP' | 'too large' | 'broken off';

/** A request without a whole answer. Nothing of the request is in it: the headers hold the API key. */
export class WireError extends Error {
  override readonly name = 'WireError';

  /** @param code what the library or the operating system calls it */
  constructor(
    readonly fault: WireFault,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}
