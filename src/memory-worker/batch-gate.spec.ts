import { BatchGate, type BatchPass } from './batch-gate.js';

describe(BatchGate.name, () => {
  let changes: number;

  beforeEach(() => {
    changes = 0;
  });

  const begin = (sut: BatchGate): BatchPass => sut.begin(() => (changes += 1));

  function fill(sut: BatchGate): BatchPass[] {
    const passes = [];
    while (sut.room > 0) passes.push(begin(sut));
    return passes;
  }

  it('lets four wait that have not had their last turn', () => {
    const sut = new BatchGate(64);
    expect(sut.room).toBe(4);
    fill(sut);
    expect(sut).toMatchObject({ inFlight: 4, room: 0 });
  });

  it('lets as many wait as have had their last turn, and says that there is room', () => {
    const sut = new BatchGate(64);
    for (const pass of fill(sut)) pass.sent();
    expect(changes).toBe(4);
    expect(sut.room).toBe(4);
    for (const pass of fill(sut)) pass.sent();
    expect(sut).toMatchObject({ inFlight: 8, room: 8 });
  });

  it('never lets in more than it may', () => {
    const sut = new BatchGate(5);
    for (let round = 0; round < 5; round++) for (const pass of fill(sut)) pass.sent();
    expect(sut).toMatchObject({ inFlight: 5, room: 0 });
  });

  it('lets one after another in where it may have one', () => {
    const sut = new BatchGate(1);
    const [only] = fill(sut);
    only?.sent();
    expect(sut).toMatchObject({ inFlight: 1, room: 0 });
    only?.ended();
    expect(sut.room).toBe(1);
  });

  it('lets others in for what only waits for its turn in the order, up to a line of 256', () => {
    const sut = new BatchGate(2);
    const passes: BatchPass[] = [];
    while (!sut.isLineFull) {
      const pass = begin(sut);
      passes.push(pass);
      pass.sent();
      pass.waits();
      pass.waits();
      expect(sut.room).toBe(2);
    }
    expect(sut).toMatchObject({ inFlight: 256, waiting: 256 });
    passes[0]!.ended();
    expect(sut).toMatchObject({ inFlight: 255, waiting: 255, isLineFull: false, room: 2 });
    fill(sut);
    expect(sut).toMatchObject({ inFlight: 257, waiting: 255, room: 0 });
  });

  it('takes each batch for ended once, whether or not it was sent', () => {
    const sut = new BatchGate(64);
    const [first, second] = [begin(sut), begin(sut)];
    first.sent();
    first.sent();
    first.ended();
    first.ended();
    second.ended();
    second.sent();
    expect(sut).toMatchObject({ inFlight: 0, room: 4 });
    expect(changes).toBe(3);
  });
});
