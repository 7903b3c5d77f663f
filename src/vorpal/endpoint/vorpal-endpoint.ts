/**
 * Where the language-model server is. One that the brain starts itself gets its address later, and a new one after
 * each restart.
 */
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

/**
 * Where embeddings come from: `EMBEDDINGS_URL`, else the local Vorpal, whatever answers chats: a vLLM serves a chat
 * model or an embedding model, not both.
 */
export abstract class EmbeddingsEndpoint extends VorpalEndpoint {
  /** Whether it is the server that answers chats; they then share one circuit breaker. */
  readonly isVorpal: boolean = false;
}

/** The server that answers chats. */
export class SharedEmbeddingsEndpoint extends EmbeddingsEndpoint {
  override readonly isVorpal = true;

  constructor(private readonly vorpal: VorpalEndpoint) {
    super();
  }

  url(): string {
    return this.vorpal.url();
  }
}

export class FixedEmbeddingsEndpoint extends EmbeddingsEndpoint {
  private readonly fixed: FixedVorpalEndpoint;

  constructor(address: string) {
    super();
    this.fixed = new FixedVorpalEndpoint(address);
  }

  url(): string {
    return this.fixed.url();
  }
}
