import { type AdmittedBatch, BatchAdmission } from './batch-admission.js';

describe(BatchAdmission.name, () => {
  let changes: number;

  beforeEach(() => {
    changes = 0;
  });

  const admit = (sut: BatchAdmission): AdmittedBatch => sut.admit(() => (changes += 1));

  function fill(sut: BatchAdmission): AdmittedBatch[] {
    const batches = [];
    while (sut.capacity > 0) batches.push(admit(sut));
    return batches;
  }

  it('admits four batches that have not sent their last request', () => {
    const sut = new BatchAdmission(64);
    expect(sut.capacity).toBe(4);
    fill(sut);
    expect(sut).toMatchObject({ inFlight: 4, capacity: 0 });
  });

  it('lets as many queue as have sent their last request, and says that there is capacity', () => {
    const sut = new BatchAdmission(64);
    for (const batch of fill(sut)) batch.requestsSent();
    expect(changes).toBe(4);
    expect(sut.capacity).toBe(4);
    for (const batch of fill(sut)) batch.requestsSent();
    expect(sut).toMatchObject({ inFlight: 8, capacity: 8 });
  });

  it('never admits more than the maximum', () => {
    const sut = new BatchAdmission(5);
    for (let round = 0; round < 5; round++) for (const batch of fill(sut)) batch.requestsSent();
    expect(sut).toMatchObject({ inFlight: 5, capacity: 0 });
  });

  it('admits one after another where the maximum is one', () => {
    const sut = new BatchAdmission(1);
    const [only] = fill(sut);
    only?.requestsSent();
    expect(sut).toMatchObject({ inFlight: 1, capacity: 0 });
    only?.finished();
    expect(sut.capacity).toBe(1);
  });

  it('admits others in place of blocked batches, up to 256 of those', () => {
    const sut = new BatchAdmission(2);
    const batches: AdmittedBatch[] = [];
    while (!sut.isBlockedFull) {
      const batch = admit(sut);
      batches.push(batch);
      batch.requestsSent();
      batch.blocked();
      batch.blocked();
      expect(sut.capacity).toBe(2);
    }
    expect(sut).toMatchObject({ inFlight: 256, blocked: 256 });
    batches[0]!.finished();
    expect(sut).toMatchObject({ inFlight: 255, blocked: 255, isBlockedFull: false, capacity: 2 });
    fill(sut);
    expect(sut).toMatchObject({ inFlight: 257, blocked: 255, capacity: 0 });
  });

  it('counts each batch as finished once, whether or not it sent a request', () => {
    const sut = new BatchAdmission(64);
    const [first, second] = [admit(sut), admit(sut)];
    first.requestsSent();
    first.requestsSent();
    first.finished();
    first.finished();
    second.finished();
    second.requestsSent();
    expect(sut).toMatchObject({ inFlight: 0, capacity: 4 });
    expect(changes).toBe(3);
  });
});
