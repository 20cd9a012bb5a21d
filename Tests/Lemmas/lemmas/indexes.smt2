; The index at each level is below 512, and the indexes and the offset in the page make up the
; translated part of the address, whose extension by its highest bit a canonical address is.
; broken index: the index of the level above
;   find: (bvlshr address (shift level))
;   put: (bvlshr address (bvadd (shift level) (_ bv9 64)))
; broken index: the index has eight bits
;   find: (_ bv511 64)
;   put: (_ bv255 64)
(declare-const address Word)
(declare-const level Word)
(assert (isLevel level))
(define-fun place ((level Word)) Word (bvshl (index address level) (shift level)))
(define-fun below5 () Word
  (bvor (place (_ bv1 64)) (place (_ bv2 64)) (place (_ bv3 64)) (place (_ bv4 64))
    (bvand address (_ bv4095 64))))
(assert (not
  (and
    (bvult (index address level) (_ bv512 64))
    (=> (isCanonical address (_ bv4 64))
      (= address ((_ sign_extend 16) ((_ extract 47 0) below5))))
    (=> (isCanonical address (_ bv5 64))
      (= address
        ((_ sign_extend 7) ((_ extract 56 0) (bvor below5 (place (_ bv5 64))))))))))
