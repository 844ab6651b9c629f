module countersign/tests/modules/go

go 1.24
