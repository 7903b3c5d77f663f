/** Mean of the rows of a matrix that is stored row by row, `width` numbers each. */
export function meanOfRows(values: Float32Array, width: number): Float64Array {
  const mean = new Float64Array(width);
  const rows = values.length / width;
  values.forEach((value, index) => {
    const column = index % width;
    mean[column] = (mean[column] ?? 0) + value / rows;
  });
  return mean;
}

/** Scales to unit length. @throws RangeError where there is no direction: all zeros, or something not a number */
export function normalise(vector: Float64Array): Float32Array {
  const length = Math.hypot(...vector);
  if (!(length > 0)) throw new RangeError('The model returned a zero vector, or one with NaN. Check its files.');
  return Float32Array.from(vector, (value) => value / length);
}
