/** Where the language-model server is. One that the brain starts itself gets its address later, and a new one after each restart. */
export abstract class VorpalEndpoint {
  /**
   * Base address, without `/v1` and without a slash at the end.
   * @throws VorpalUnavailableError while none is known; the message says why
   */
  abstract url(): string;
}

/** An address that somebody configured. One that ends in `/v1`, as OpenAI clients want it, is understood as well. */
export class FixedVorpalEndpoint extends VorpalEndpoint {
  private readonly base: string;

  constructor(address: string) {
    super();
    this.base = address.replace(/\/+$/, '').replace(/\/v1$/, '');
  }

  url(): string {
    return this.base;
  }
}
