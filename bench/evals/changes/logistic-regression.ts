export interface Example {
  /** By feature, in one order for all examples. */
  readonly features: readonly number[];
  readonly isPositive: boolean;
}

/** `P(positive) = 1 / (1 + exp(-(intercept + Σ weight · feature)))`. */
export interface LogisticModel {
  readonly intercept: number;
  readonly weights: readonly number[];
}

const MAX_STEPS = 100;
const CONVERGED = 1e-8;

/**
 * Logistic regression with L2, by Newton's method (iteratively reweighted least squares; Bishop 2006, section 4.3.3).
 * Features are brought to unit variance first, so that `penalty` weighs on all alike; the intercept is free.
 * @param penalty half of it times the squared weights is added to the negative log-likelihood
 */
export function fitLogisticRegression(examples: readonly Example[], penalty: number): LogisticModel {
  const width = examples[0]?.features.length ?? 0;
  const columns = Array.from({ length: width }, (_, column) => examples.map(({ features }) => features[column] ?? 0));
  const means = columns.map(mean);
  const scales = columns.map((values, column) => deviation(values, means[column] ?? 0));
  const rows = examples.map(({ features }) => [
    1,
    ...features.map((value, column) => (value - (means[column] ?? 0)) / (scales[column] ?? 1)),
  ]);
  const solution = newton(
    rows,
    examples.map(({ isPositive }) => (isPositive ? 1 : 0)),
    penalty,
  );
  const weights = solution.slice(1).map((weight, column) => weight / (scales[column] ?? 1));
  const shift = weights.reduce((sum, weight, column) => sum + weight * (means[column] ?? 0), 0);
  return { intercept: (solution[0] ?? 0) - shift, weights };
}

/** The probability that an example with these features is positive. */
export function predict({ intercept, weights }: LogisticModel, features: readonly number[]): number {
  return sigmoid(features.reduce((sum, value, column) => sum + value * (weights[column] ?? 0), intercept));
}

function newton(rows: readonly (readonly number[])[], targets: readonly number[], penalty: number): number[] {
  const width = rows[0]?.length ?? 0;
  const weights = new Array<number>(width).fill(0);
  for (let step = 0; step < MAX_STEPS; step++) {
    const gradient = weights.map((weight, column) => (column === 0 ? 0 : penalty * weight));
    const hessian = weights.map((_, row) => weights.map((__, column) => (row === column && row > 0 ? penalty : 0)));
    for (const [index, row] of rows.entries()) {
      const chance = sigmoid(row.reduce((sum, value, column) => sum + value * (weights[column] ?? 0), 0));
      const error = chance - (targets[index] ?? 0);
      const certainty = Math.max(chance * (1 - chance), 1e-9);
      row.forEach((value, i) => {
        gradient[i] = (gradient[i] ?? 0) + error * value;
        const line = hessian[i] ?? [];
        row.forEach((other, j) => (line[j] = (line[j] ?? 0) + certainty * value * other));
      });
    }
    const change = solve(hessian, gradient);
    change.forEach((value, column) => (weights[column] = (weights[column] ?? 0) - value));
    if (Math.max(...change.map(Math.abs)) < CONVERGED) break;
  }
  return weights;
}

/** Solves `matrix · x = vector` by Gaussian elimination with partial pivoting; both are taken apart. */
function solve(matrix: number[][], vector: number[]): number[] {
  const rows = matrix.map((line, index) => [...line, vector[index] ?? 0]);
  for (let column = 0; column < rows.length; column++) {
    const pivot = rows
      .slice(column)
      .reduce((best, row) => (Math.abs(row[column] ?? 0) > Math.abs(best[column] ?? 0) ? row : best));
    const place = rows.indexOf(pivot);
    rows[place] = rows[column] ?? pivot;
    rows[column] = pivot;
    for (const row of rows.slice(column + 1)) {
      const factor = (row[column] ?? 0) / (pivot[column] ?? 1);
      for (let i = column; i < row.length; i++) row[i] = (row[i] ?? 0) - factor * (pivot[i] ?? 0);
    }
  }
  const solution = new Array<number>(rows.length).fill(0);
  for (let i = rows.length - 1; i >= 0; i--) {
    const row = rows[i] ?? [];
    let rest = row[rows.length] ?? 0;
    for (let j = i + 1; j < rows.length; j++) rest -= (row[j] ?? 0) * (solution[j] ?? 0);
    solution[i] = rest / (row[i] ?? 1);
  }
  return solution;
}

const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value));
const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

/** Of a feature that is the same everywhere: 1, since it is divided by. */
function deviation(values: readonly number[], centre: number): number {
  const variance = mean(values.map((value) => (value - centre) ** 2));
  return variance > 0 ? Math.sqrt(variance) : 1;
}
