import { type EmbeddingModel, exactNameOf } from './engine/embedding/embedding-model.js';
import type { LanguageModel } from './engine/language-model.js';
import { InvalidRequestError, UnknownModelError } from './errors.js';
import type { ModelSlot, SlotHealth } from './model-slot.js';

/** The models that the server has, and which of them a request means. */
export class ModelsInService {
  constructor(
    /** `undefined`: it serves embeddings alone. */
    private readonly language: ModelSlot<LanguageModel> | undefined,
    private readonly embedding: ModelSlot<EmbeddingModel>,
  ) {}

  /** The worse of the two. */
  get health(): SlotHealth {
    const parts = [...(this.language ? [this.language.health] : []), this.embedding.health];
    return (
      parts.find(({ status }) => status === 'failed') ??
      parts.find(({ status }) => status === 'loading') ?? { status: 'ready', message: 'ready' }
    );
  }

  get servesLanguage(): boolean {
    return this.language !== undefined;
  }

  get languageModel(): LanguageModel | undefined {
    return this.language?.current;
  }

  get embeddingModel(): EmbeddingModel | undefined {
    return this.embedding.current;
  }

  /**
   * The language model, if `name` is its name, empty or missing.
   * @throws NotReadyError, UnknownModelError, InvalidRequestError for the embedding model
   */
  languageFor(name: string | null | undefined, api: string): LanguageModel {
    if (!this.language)
      throw new InvalidRequestError(`This server has no model for the ${api} (LOCAL_VORPAL_SERVES).`, 'model');
    const model = this.language.require();
    this.assertNames(name, model.id, this.embedding.current?.id, api);
    return model;
  }

  /** The same for embeddings. */
  embeddingFor(name: string | null | undefined): EmbeddingModel {
    const model = this.embedding.require();
    if (name === exactNameOf(model)) return model;
    this.assertNames(name, model.id, this.language?.current?.id, 'Embeddings API');
    return model;
  }

  private assertNames(name: string | null | undefined, own: string, other: string | undefined, api: string): void {
    if (name == null || name === '' || name === own) return;
    if (name === other) throw new InvalidRequestError(`The model does not support ${api}.`, 'model');
    throw new UnknownModelError(name, other === undefined ? [own] : [own, other]);
  }
}
