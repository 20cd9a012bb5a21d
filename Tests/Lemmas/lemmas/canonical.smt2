; An address is canonical if and only if all bits from the highest translated one up are equal: bit
; 47 with four levels, bit 56 with five. Those up to the end of the lower half are.
; broken isCanonical: one bit too many counts as translated
;   find: (bvsub (_ bv64 64) (virtualAddressWidth rootLevel))
;   put: (bvsub (_ bv63 64) (virtualAddressWidth rootLevel))
; broken isCanonical: the sign is not extended
;   find: (bvashr (bvshl address ignored) ignored)
;   put: (bvlshr (bvshl address ignored) ignored)
(declare-const address Word)
(assert (not
  (let ((high4 ((_ extract 63 47) address)) (high5 ((_ extract 63 56) address)))
    (and
      (= (isCanonical address (_ bv4 64))
        (or (= high4 #b00000000000000000) (= high4 #b11111111111111111)))
      (= (isCanonical address (_ bv5 64)) (or (= high5 #x00) (= high5 #xff)))
      (=> (bvult address (lowerHalfEnd (_ bv4 64))) (isCanonical address (_ bv4 64)))
      (=> (bvult address (lowerHalfEnd (_ bv5 64))) (isCanonical address (_ bv5 64)))))))
