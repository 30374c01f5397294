// Loops of test_vectors.cpp, compiled once per instruction set.

// Every operation on `count` values, in vectors of every width and in the scalar tail; a, b, c: operands.
static void vector_operations(const VectorOperands& in, int64_t count, VectorResults& out) {
  for_channels(count, [&](auto lanes, int64_t i) NAD_INLINE_LAMBDA {
    using L = decltype(lanes);
    const typename L::F a = L::load(in.a + i), b = L::load(in.b + i), c = L::load(in.c + i);
    L::store(out.copied + i, a);
    L::store(out.set + i, L::set(in.scalar));
    L::store(out.max + i, L::max(a, b));
    L::store(out.relu + i, L::relu(a));
    L::store(out.kept + i, L::keep_where_positive(a, b));
    L::store(out.selected + i, L::select(L::greater(a, b), a, c));
    L::store(out.sum + i, L::add(a, b));
    L::store(out.product + i, L::multiply(a, b));
    L::store(out.multiply_add + i, L::multiply_add(a, b, c));
    if constexpr (L::width > 1) {
      L::store(out.subtract_product + i, L::subtract_product(a, b, c));
      L::store(out.sqrt + i, L::sqrt(b));
    }
    L::store_bf16(out.bf16 + i, a);
    L::store(out.from_bf16 + i, L::load_bf16(out.bf16 + i));
    const typename L::I bytes = L::load_bytes(in.bytes + i);
    L::store(out.byte_as_float + i, L::to_float(bytes));
    L::store_bytes(out.bytes + i, L::select_int(L::equal_int(bytes, L::set_int(7)), L::set_int(200), bytes));
    out.lane_sum[i] = L::sum(c);
    out.width[i] = L::width;
  });
}
