/** What can go wrong before an answer is complete. */
export type HttpFailureKind = 'unreachable' | 'not HTTP' | 'too large' | 'broken off';

/** A request without a whole answer. Nothing of the request is in it: the headers hold the API key. */
export class HttpFailure extends Error {
  override readonly name = 'HttpFailure';

  /** @param code what the library or the operating system calls it */
  constructor(
    readonly kind: HttpFailureKind,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}
