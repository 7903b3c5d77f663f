import { Test, type TestingModule } from '@nestjs/testing';
import { inspect } from 'node:util';
import { ConfigModule } from '../../src/config/index.js';
import { readSettings } from '../../src/settings.js';
import { LifecycleModule } from '../../src/infra/lifecycle/index.js';
import { EmbeddingsEndpoint, SharedEmbeddingsEndpoint } from '../../src/vorpal/endpoint/vorpal-endpoint.js';
import {
  PerplexityScorer,
  TokenSpansService,
  VorpalClient,
  VorpalEndpoint,
  VorpalHealth,
  VorpalModule,
} from '../../src/vorpal/index.js';

export const TEST_KEY = 'sk-very-secret-0123456789';

export interface VorpalParts {
  readonly client: VorpalClient;
  readonly scorer: PerplexityScorer;
  readonly tokenSpans: TokenSpansService;
  readonly health: VorpalHealth;
  close(): Promise<void>;
}

/**
 * The Vorpal module as the brain has it, with the key {@link TEST_KEY} and no retries unless `environment` says so.
 * Embeddings come from the same server, unless it names another.
 */
export async function startVorpalModule(
  environment: NodeJS.ProcessEnv,
  endpoint?: VorpalEndpoint,
): Promise<VorpalParts> {
  const builder = Test.createTestingModule({
    imports: [
      ConfigModule.forRoot(readSettings({ VORPAL_API_KEY: TEST_KEY, VORPAL_RETRIES: '0', ...environment })),
      LifecycleModule,
      VorpalModule,
    ],
  });
  if (environment.EMBEDDINGS_URL === undefined) {
    builder.overrideProvider(EmbeddingsEndpoint).useFactory({
      inject: [VorpalEndpoint],
      factory: (vorpal: VorpalEndpoint) => new SharedEmbeddingsEndpoint(vorpal),
    });
  }
  if (endpoint) builder.overrideProvider(VorpalEndpoint).useValue(endpoint);
  const module: TestingModule = await builder.compile();
  return {
    client: module.get(VorpalClient),
    scorer: module.get(PerplexityScorer),
    tokenSpans: module.get(TokenSpansService),
    health: module.get(VorpalHealth),
    close: () => module.close(),
  };
}

/** What `work` fails with. Whatever it is, it must not show the API key, however deep one looks. */
export async function failureOf(work: Promise<unknown>): Promise<Error> {
  try {
    await work;
  } catch (error) {
    const shown = inspect(error, { depth: 10, showHidden: true });
    if (shown.includes(TEST_KEY)) throw new Error('the error shows the API key', { cause: error });
    return error as Error;
  }
  throw new Error('it was expected to fail');
}
