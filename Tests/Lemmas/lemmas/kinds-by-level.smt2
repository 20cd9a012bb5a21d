; At level 1, bit 7 is PAT, and no entry there is large or leads to a table. Above, of the entries
; that Tessera stores, exactly those of tables lead to one, by all three ways of asking.
; broken isLarge: bit 7 is the size of a page at every level
;   find: (and (has entry largePage) (or (= level (_ bv2 64)) (= level (_ bv3 64))))
;   put: (has entry largePage)
; broken isOwnTable: a table is an entry whose lowest byte is not zero
;   find: (bvsgt ((_ extract 7 0) entry) #x00)
;   put: (distinct ((_ extract 7 0) entry) #x00)
(declare-const any Word)
(declare-const entry Word)
(declare-const kind Word)
(declare-const bits Word)
(declare-const address Word)
(declare-const size Word)
(declare-const flag Word)
(declare-const hasNoExecute Word)
(declare-const number Word)
(assert (and (isProperty bits) (isTruth flag) (isTruth hasNoExecute)))
(assert (and (bvule (_ bv1 64) size) (bvule size (_ bv2 64))))
(assert (and (isAligned address (byteCount size)) (bvult address #x0010000000000000)))
(assert (bvult number #x0000000100000000))
(define-fun page () Word (leaf bits address size flag hasNoExecute))
(assert (bvult kind (_ bv5 64)))
(assert (= entry
  (ite (= kind (_ bv0 64)) (_ bv0 64)
  (ite (= kind (_ bv1 64)) (table address flag)
  (ite (= kind (_ bv2 64)) page
  (ite (= kind (_ bv3 64)) (status number) (resizing (bvor page present))))))))
(define-fun level () Word (bvadd size (_ bv1 64)))
(assert (not
  (and
    (not (isLarge any (_ bv1 64)))
    (not (leadsToTable any (_ bv1 64)))
    (= (isOwnTable entry) (= kind (_ bv1 64)))
    (= (isTable entry) (= kind (_ bv1 64)))
    (= (leadsToTable entry level) (= kind (_ bv1 64))))))
