/** The failures before an answer is complete. */
export type HttpFailureKind = 'unreachable' | 'not HTTP' | 'too large' | 'broken off';

/** A request without a complete answer. It has no part of the request, since the headers hold the API key. */
export class HttpFailure extends Error {
  override readonly name = 'HttpFailure';

  /** @param code the name of the library or the operating system for it */
  constructor(
    readonly kind: HttpFailureKind,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}
