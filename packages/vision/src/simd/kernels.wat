;; Resampling and normalizing by 128-bit SIMD, bit for bit as resample.ts and preprocess.ts have them. simd/kernels.ts
;; calls it; node scripts/vision-kernels.ts writes it as kernels-bytes.ts.
;;
;; A tap of one axis, as simd/packed-taps.ts writes it: i32 start; i32 pairs; then, for each pair of weights, i16 low
;; [2] and i16 high [2], weight = low + high · 2^15, where 0 ≤ low < 2^15. Pairs come in twos; what is too many is 0.
;;
;; A product by i16 pairs is exact: p · weight = p · low + (p · high) · 2^15. Sums may wrap, since additions modulo 2^32
;; have the same last sum, which fits. It starts at a half, 2^21, so that the shift by 22 rounds; narrowing twice clamps
;; to 0 and 255.
;;
;; Loads and stores of 16 bytes may end 16 bytes behind a picture, and four rows are made at a time: the caller leaves
;; room behind each part of the memory. Masks are set outside of loops, since V8 makes a constant anew where it stands:
;; in the loop they take three times as long as all else.
(module
  (memory (export "memory") 16)

  ;; Rows of RGB bytes -> rows of `width` RGB pixels, each followed by a byte of no meaning, in fours.
  (func (export "rows")
    (param $source i32) ;; of the pixel 0 that starts count from
    (param $sourceStride i32)
    (param $count i32)
    (param $taps i32) (param $tapBytes i32) (param $width i32)
    (param $target i32) (param $targetStride i32)
    (local $end i32) (local $tap i32) (local $pair i32) (local $lastPair i32) (local $from i32) (local $to i32)
    (local $source2 i32) (local $source3 i32) (local $target2 i32) (local $target3 i32)
    (local $sum0 v128) (local $sum1 v128) (local $sum2 v128) (local $sum3 v128)
    (local $low01 v128) (local $high01 v128) (local $low23 v128) (local $high23 v128)
    (local $first v128) (local $second v128) (local $half v128) (local $pixels v128)
    (local $mask01 v128) (local $mask23 v128)
    (local.set $half (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
    ;; two pixels as i16: red 0, red 1, green 0, green 1, blue 0, blue 1, 0, 0
    (local.set $mask01 (v128.const i8x16 0 -1 3 -1 1 -1 4 -1 2 -1 5 -1 -1 -1 -1 -1))
    (local.set $mask23 (v128.const i8x16 6 -1 9 -1 7 -1 10 -1 8 -1 11 -1 -1 -1 -1 -1))
    (local.set $end (i32.add (local.get $taps) (i32.mul (local.get $width) (local.get $tapBytes))))
    (local.set $source2 (i32.mul (local.get $sourceStride) (i32.const 2)))
    (local.set $source3 (i32.mul (local.get $sourceStride) (i32.const 3)))
    (local.set $target2 (i32.mul (local.get $targetStride) (i32.const 2)))
    (local.set $target3 (i32.mul (local.get $targetStride) (i32.const 3)))
    (loop $fours
      (local.set $tap (local.get $taps))
      (local.set $to (local.get $target))
      (loop $pixel
        (local.set $from (i32.add (local.get $source) (i32.mul (i32.load (local.get $tap)) (i32.const 3))))
        (local.set $pair (local.get $tap))
        (local.set $lastPair (i32.add (local.get $tap) (i32.shl (i32.load offset=4 (local.get $tap)) (i32.const 3))))
        (local.set $sum0 (local.get $half))
        (local.set $sum1 (local.get $half))
        (local.set $sum2 (local.get $half))
        (local.set $sum3 (local.get $half))
        (loop $pairs ;; two, so four pixels of the source
          (local.set $low01 (v128.load32_splat offset=8 (local.get $pair)))
          (local.set $high01 (v128.load32_splat offset=12 (local.get $pair)))
          (local.set $low23 (v128.load32_splat offset=16 (local.get $pair)))
          (local.set $high23 (v128.load32_splat offset=20 (local.get $pair)))

          (local.set $pixels (v128.load (local.get $from)))
          (local.set $first (i8x16.swizzle (local.get $pixels) (local.get $mask01)))
          (local.set $second (i8x16.swizzle (local.get $pixels) (local.get $mask23)))
          (local.set $sum0 (i32x4.add (local.get $sum0) (i32x4.add
            (i32x4.add
              (i32x4.dot_i16x8_s (local.get $first) (local.get $low01))
              (i32x4.dot_i16x8_s (local.get $second) (local.get $low23)))
            (i32x4.shl
              (i32x4.add
                (i32x4.dot_i16x8_s (local.get $first) (local.get $high01))
                (i32x4.dot_i16x8_s (local.get $second) (local.get $high23)))
              (i32.const 15)))))

          (local.set $pixels (v128.load (i32.add (local.get $from) (local.get $sourceStride))))
          (local.set $first (i8x16.swizzle (local.get $pixels) (local.get $mask01)))
          (local.set $second (i8x16.swizzle (local.get $pixels) (local.get $mask23)))
          (local.set $sum1 (i32x4.add (local.get $sum1) (i32x4.add
            (i32x4.add
              (i32x4.dot_i16x8_s (local.get $first) (local.get $low01))
              (i32x4.dot_i16x8_s (local.get $second) (local.get $low23)))
            (i32x4.shl
              (i32x4.add
                (i32x4.dot_i16x8_s (local.get $first) (local.get $high01))
                (i32x4.dot_i16x8_s (local.get $second) (local.get $high23)))
              (i32.const 15)))))

          (local.set $pixels (v128.load (i32.add (local.get $from) (local.get $source2))))
          (local.set $first (i8x16.swizzle (local.get $pixels) (local.get $mask01)))
          (local.set $second (i8x16.swizzle (local.get $pixels) (local.get $mask23)))
          (local.set $sum2 (i32x4.add (local.get $sum2) (i32x4.add
            (i32x4.add
              (i32x4.dot_i16x8_s (local.get $first) (local.get $low01))
              (i32x4.dot_i16x8_s (local.get $second) (local.get $low23)))
            (i32x4.shl
              (i32x4.add
                (i32x4.dot_i16x8_s (local.get $first) (local.get $high01))
                (i32x4.dot_i16x8_s (local.get $second) (local.get $high23)))
              (i32.const 15)))))

          (local.set $pixels (v128.load (i32.add (local.get $from) (local.get $source3))))
          (local.set $first (i8x16.swizzle (local.get $pixels) (local.get $mask01)))
          (local.set $second (i8x16.swizzle (local.get $pixels) (local.get $mask23)))
          (local.set $sum3 (i32x4.add (local.get $sum3) (i32x4.add
            (i32x4.add
              (i32x4.dot_i16x8_s (local.get $first) (local.get $low01))
              (i32x4.dot_i16x8_s (local.get $second) (local.get $low23)))
            (i32x4.shl
              (i32x4.add
                (i32x4.dot_i16x8_s (local.get $first) (local.get $high01))
                (i32x4.dot_i16x8_s (local.get $second) (local.get $high23)))
              (i32.const 15)))))

          (local.set $from (i32.add (local.get $from) (i32.const 12)))
          (local.set $pair (i32.add (local.get $pair) (i32.const 16)))
          (br_if $pairs (i32.lt_u (local.get $pair) (local.get $lastPair))))
        ;; a row's four bytes in each lane; the next pixel overwrites the fourth
        (local.set $pixels (i8x16.narrow_i16x8_u
          (i16x8.narrow_i32x4_s
            (i32x4.shr_s (local.get $sum0) (i32.const 22)) (i32x4.shr_s (local.get $sum1) (i32.const 22)))
          (i16x8.narrow_i32x4_s
            (i32x4.shr_s (local.get $sum2) (i32.const 22)) (i32x4.shr_s (local.get $sum3) (i32.const 22)))))
        (v128.store32_lane 0 (local.get $to) (local.get $pixels))
        (v128.store32_lane 1 (i32.add (local.get $to) (local.get $targetStride)) (local.get $pixels))
        (v128.store32_lane 2 (i32.add (local.get $to) (local.get $target2)) (local.get $pixels))
        (v128.store32_lane 3 (i32.add (local.get $to) (local.get $target3)) (local.get $pixels))
        (local.set $to (i32.add (local.get $to) (i32.const 3)))
        (local.set $tap (i32.add (local.get $tap) (local.get $tapBytes)))
        (br_if $pixel (i32.lt_u (local.get $tap) (local.get $end))))
      (local.set $source (i32.add (local.get $source) (i32.shl (local.get $sourceStride) (i32.const 2))))
      (local.set $target (i32.add (local.get $target) (i32.shl (local.get $targetStride) (i32.const 2))))
      (local.set $count (i32.sub (local.get $count) (i32.const 4)))
      (br_if $fours (i32.gt_s (local.get $count) (i32.const 0)))))

  ;; Rows of bytes -> `count` rows of `bytes` bytes, which lie one behind the other.
  (func (export "columns")
    (param $source i32) ;; of the row 0 that starts count from
    (param $sourceStride i32)
    (param $taps i32) (param $tapBytes i32) (param $count i32)
    (param $target i32) (param $bytes i32)
    (local $end i32) (local $pair i32) (local $lastPair i32) (local $from i32) (local $row i32) (local $x i32)
    (local $low0 v128) (local $low1 v128) (local $low2 v128) (local $low3 v128)
    (local $high0 v128) (local $high1 v128) (local $high2 v128) (local $high3 v128)
    (local $low v128) (local $high v128) (local $even v128) (local $odd v128) (local $both v128) (local $half v128)
    (local.set $half (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
    (local.set $end (i32.add (local.get $taps) (i32.mul (local.get $count) (local.get $tapBytes))))
    (loop $rows
      (local.set $row (i32.add (local.get $source) (i32.mul (i32.load (local.get $taps)) (local.get $sourceStride))))
      (local.set $lastPair (i32.add (local.get $taps) (i32.shl (i32.load offset=4 (local.get $taps)) (i32.const 3))))
      (local.set $x (i32.const 0))
      (loop $sixteen
        (local.set $from (i32.add (local.get $row) (local.get $x)))
        (local.set $pair (local.get $taps))
        (local.set $low0 (local.get $half))
        (local.set $low1 (local.get $half))
        (local.set $low2 (local.get $half))
        (local.set $low3 (local.get $half))
        (local.set $high0 (v128.const i32x4 0 0 0 0))
        (local.set $high1 (v128.const i32x4 0 0 0 0))
        (local.set $high2 (v128.const i32x4 0 0 0 0))
        (local.set $high3 (v128.const i32x4 0 0 0 0))
        (loop $pairs
          (local.set $low (v128.load32_splat offset=8 (local.get $pair)))
          (local.set $high (v128.load32_splat offset=12 (local.get $pair)))
          (local.set $even (v128.load (local.get $from)))
          (local.set $odd (v128.load (i32.add (local.get $from) (local.get $sourceStride))))
          ;; the bytes of both rows by turns
          (local.set $both (i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23 (local.get $even) (local.get $odd)))
          (local.set $odd (i8x16.shuffle 8 24 9 25 10 26 11 27 12 28 13 29 14 30 15 31
            (local.get $even) (local.get $odd)))
          (local.set $even (i16x8.extend_low_i8x16_u (local.get $both)))
          (local.set $low0 (i32x4.add (local.get $low0) (i32x4.dot_i16x8_s (local.get $even) (local.get $low))))
          (local.set $high0 (i32x4.add (local.get $high0) (i32x4.dot_i16x8_s (local.get $even) (local.get $high))))
          (local.set $even (i16x8.extend_high_i8x16_u (local.get $both)))
          (local.set $low1 (i32x4.add (local.get $low1) (i32x4.dot_i16x8_s (local.get $even) (local.get $low))))
          (local.set $high1 (i32x4.add (local.get $high1) (i32x4.dot_i16x8_s (local.get $even) (local.get $high))))
          (local.set $even (i16x8.extend_low_i8x16_u (local.get $odd)))
          (local.set $low2 (i32x4.add (local.get $low2) (i32x4.dot_i16x8_s (local.get $even) (local.get $low))))
          (local.set $high2 (i32x4.add (local.get $high2) (i32x4.dot_i16x8_s (local.get $even) (local.get $high))))
          (local.set $even (i16x8.extend_high_i8x16_u (local.get $odd)))
          (local.set $low3 (i32x4.add (local.get $low3) (i32x4.dot_i16x8_s (local.get $even) (local.get $low))))
          (local.set $high3 (i32x4.add (local.get $high3) (i32x4.dot_i16x8_s (local.get $even) (local.get $high))))
          (local.set $from (i32.add (local.get $from) (i32.shl (local.get $sourceStride) (i32.const 1))))
          (local.set $pair (i32.add (local.get $pair) (i32.const 8)))
          (br_if $pairs (i32.lt_u (local.get $pair) (local.get $lastPair))))
        (v128.store (i32.add (local.get $target) (local.get $x)) (i8x16.narrow_i16x8_u
          (i16x8.narrow_i32x4_s
            (i32x4.shr_s (i32x4.add (local.get $low0) (i32x4.shl (local.get $high0) (i32.const 15))) (i32.const 22))
            (i32x4.shr_s (i32x4.add (local.get $low1) (i32x4.shl (local.get $high1) (i32.const 15))) (i32.const 22)))
          (i16x8.narrow_i32x4_s
            (i32x4.shr_s (i32x4.add (local.get $low2) (i32x4.shl (local.get $high2) (i32.const 15))) (i32.const 22))
            (i32x4.shr_s (i32x4.add (local.get $low3) (i32x4.shl (local.get $high3) (i32.const 15))) (i32.const 22)))))
        (local.set $x (i32.add (local.get $x) (i32.const 16)))
        (br_if $sixteen (i32.lt_u (local.get $x) (local.get $bytes))))
      (local.set $target (i32.add (local.get $target) (local.get $bytes)))
      (local.set $taps (i32.add (local.get $taps) (local.get $tapBytes)))
      (br_if $rows (i32.lt_u (local.get $taps) (local.get $end)))))

  ;; `count` RGB pixels -> (v / scale − mean) / std of each channel in a plane of its own. Fours may end behind `count`,
  ;; so planes are a multiple of 16 bytes apart.
  (func (export "normalize")
    (param $source i32) (param $count i32) (param $red i32) (param $green i32) (param $blue i32)
    (param $scale f32)
    (param $redMean f32) (param $greenMean f32) (param $blueMean f32)
    (param $redStd f32) (param $greenStd f32) (param $blueStd f32)
    (local $pixels v128) (local $divisor v128) (local $reds v128) (local $greens v128) (local $blues v128)
    (local $redMeans v128) (local $greenMeans v128) (local $blueMeans v128)
    (local $redStds v128) (local $greenStds v128) (local $blueStds v128)
    (local.set $reds (v128.const i8x16 0 -1 -1 -1 3 -1 -1 -1 6 -1 -1 -1 9 -1 -1 -1))
    (local.set $greens (v128.const i8x16 1 -1 -1 -1 4 -1 -1 -1 7 -1 -1 -1 10 -1 -1 -1))
    (local.set $blues (v128.const i8x16 2 -1 -1 -1 5 -1 -1 -1 8 -1 -1 -1 11 -1 -1 -1))
    (local.set $divisor (f32x4.splat (local.get $scale)))
    (local.set $redMeans (f32x4.splat (local.get $redMean)))
    (local.set $greenMeans (f32x4.splat (local.get $greenMean)))
    (local.set $blueMeans (f32x4.splat (local.get $blueMean)))
    (local.set $redStds (f32x4.splat (local.get $redStd)))
    (local.set $greenStds (f32x4.splat (local.get $greenStd)))
    (local.set $blueStds (f32x4.splat (local.get $blueStd)))
    (loop $fours
      (local.set $pixels (v128.load (local.get $source)))
      (v128.store (local.get $red) (f32x4.div (f32x4.sub (f32x4.div
        (f32x4.convert_i32x4_s (i8x16.swizzle (local.get $pixels) (local.get $reds)))
        (local.get $divisor)) (local.get $redMeans)) (local.get $redStds)))
      (v128.store (local.get $green) (f32x4.div (f32x4.sub (f32x4.div
        (f32x4.convert_i32x4_s (i8x16.swizzle (local.get $pixels) (local.get $greens)))
        (local.get $divisor)) (local.get $greenMeans)) (local.get $greenStds)))
      (v128.store (local.get $blue) (f32x4.div (f32x4.sub (f32x4.div
        (f32x4.convert_i32x4_s (i8x16.swizzle (local.get $pixels) (local.get $blues)))
        (local.get $divisor)) (local.get $blueMeans)) (local.get $blueStds)))
      (local.set $source (i32.add (local.get $source) (i32.const 12)))
      (local.set $red (i32.add (local.get $red) (i32.const 16)))
      (local.set $green (i32.add (local.get $green) (i32.const 16)))
      (local.set $blue (i32.add (local.get $blue) (i32.const 16)))
      (local.set $count (i32.sub (local.get $count) (i32.const 4)))
      (br_if $fours (i32.gt_s (local.get $count) (i32.const 0)))))
)
