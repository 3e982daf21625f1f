module example.org/emit-usage

go 1.24
