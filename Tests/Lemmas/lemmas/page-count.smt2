; The number of pages of a length is the quotient by 4096, rounded up.
; broken pageCount: a part of a page does not count
;   find: (bvlshr (alignedUp byteCount (_ bv4096 64)) (_ bv12 64))
;   put: (bvlshr byteCount (_ bv12 64))
; broken pageCount: a whole page counts twice
;   find: (bvlshr (alignedUp byteCount (_ bv4096 64)) (_ bv12 64))
;   put: (bvadd (bvlshr byteCount (_ bv12 64)) (_ bv1 64))
(declare-const length Word)
(assert (bvule length #x0010000000000000))
(assert (not
  (and
    (bvuge (bvmul (pageCount length) (_ bv4096 64)) length)
    (=> (distinct length (_ bv0 64))
      (= (pageCount length)
        (bvadd (bvudiv (bvsub length (_ bv1 64)) (_ bv4096 64)) (_ bv1 64))))
    (=> (= length (_ bv0 64)) (= (pageCount length) (_ bv0 64))))))
