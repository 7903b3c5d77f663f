import { type RunningVorpal, startLocalVorpal } from '../../support/local-vorpal.js';
import { describeVllmProtocol } from './vllm-protocol.contract.js';

const KEY = 'a-key-for-this-test';

describe('the local Vorpal', () => {
  let vorpal: RunningVorpal;

  beforeAll(async () => {
    vorpal = await startLocalVorpal({ VORPAL_API_KEY: KEY });
  }, 300_000);

  afterAll(async () => {
    expect(await vorpal.stop()).toBe(0);
  });

  describeVllmProtocol('the local Vorpal', {
    url: () => vorpal.url,
    apiKey: KEY,
    embeddingModel: 'all-MiniLM-L6-v2',
    toleranceNats: 0,
  });
});

const otherUrl = process.env.VORPAL_TEST_URL;
if (otherUrl !== undefined && otherUrl !== '') {
  const apiKey = process.env.VORPAL_TEST_API_KEY;
  const embeddingModel = process.env.VORPAL_TEST_EMBEDDINGS_MODEL;
  describeVllmProtocol(otherUrl, {
    url: () => otherUrl,
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(embeddingModel === undefined ? {} : { embeddingModel }),
    // vLLM does not promise more in 16-bit arithmetic.
    toleranceNats: 0.05,
  });
}
