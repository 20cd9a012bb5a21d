; Two addresses differ by less than a table's span, as an exclusive-or, if and only if one table of
; that level spans both: this decides which node covers a range.
; broken tableSpan: the span of an entry instead of a table
;   find: (bvshl (_ bv1 64) (bvadd (shift level) (_ bv9 64)))
;   put: (bvshl (_ bv1 64) (shift level))
(declare-const start Word)
(declare-const last Word)
(declare-const level Word)
(assert (isLevel level))
(assert (not
  (= (bvult (bvxor start last) (tableSpan level))
    (= (bvlshr start (bvadd (shift level) (_ bv9 64)))
      (bvlshr last (bvadd (shift level) (_ bv9 64)))))))
