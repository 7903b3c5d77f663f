import { type StubOptions, StubVorpal } from './stub-vorpal.js';

/**
 * One stub for all tests of the block that calls this, at one address, as new for each of them. A test that leaves a
 * prepared answer unused, or that asks for what the stub does not know, fails itself and not the next one.
 * @returns what gives the stub, from `beforeAll` on
 */
export function useStubVorpal(options: StubOptions = {}): () => StubVorpal {
  let stub: StubVorpal;

  beforeAll(async () => {
    stub = await StubVorpal.start(options);
  });

  afterEach(() => {
    try {
      stub.assertUsed();
    } finally {
      stub.reset();
    }
  });

  afterAll(() => stub.stop());

  return () => stub;
}
