# Every target installs what it needs. On a fresh Debian 12 with Go:
#   make demo    the main job, within a minute and without root
#   make test    all tests, with a real Keystone and Glance
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:

VERSION ?= $(shell cat VERSION 2>/dev/null || git describe --tags --always --dirty 2>/dev/null || echo unreleased)
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)
PREFIX  ?= /usr/local
DESTDIR ?=
BIN     ?= bin/glance-profile
RELEASE ?= 2025.1
GOFLAGS_BUILD := -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)'

.PHONY: build cross demo demo-real test e2e soak bench lint generate dist devcloud-up devcloud-convert devcloud-down install clean

build:
	CGO_ENABLED=0 go build $(GOFLAGS_BUILD) -o $(BIN) .

# One static binary each for the systems that operators sit at.
cross:
	for os in linux darwin windows; do
	  for arch in amd64 arm64; do
	    CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch go build $(GOFLAGS_BUILD) -o bin/$$os-$$arch/ .
	  done
	done

demo: build
	test/demo/run sandbox

demo-real: build devcloud-up
	test/demo/run devcloud

devcloud-up:
	test/devcloud/up --release $(RELEASE)

devcloud-convert:
	test/devcloud/up --release $(RELEASE) --convert

devcloud-down:
	test/devcloud/down --all

test: build
	test/run all

e2e: build
	test/run e2e

soak: build
	test/run soak

bench: build
	test/bench/run

lint:
	test/lint

generate:
	go generate ./...

# Packages for Debian and RPM systems, archives for the others, and their sums.
dist:
	VERSION='$(VERSION)' SOURCE_DATE_EPOCH='$(SOURCE_DATE_EPOCH)' packaging/dist dist

install:
	test -x $(BIN) || { echo "run make build first" >&2; exit 1; }
	install -D -m 0755 $(BIN) $(DESTDIR)$(PREFIX)/bin/glance-profile
	for page in man/*.[1-9]; do
	  install -D -m 0644 "$$page" "$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}"
	done
	share=$(DESTDIR)$(PREFIX)/share
	install -D -m 0644 completion/glance-profile.bash $$share/bash-completion/completions/glance-profile
	install -D -m 0644 completion/_glance-profile $$share/zsh/site-functions/_glance-profile
	install -D -m 0644 completion/glance-profile.fish $$share/fish/vendor_completions.d/glance-profile.fish
	install -D -m 0644 completion/glance-profile.ps1 $$share/glance-profile/glance-profile.ps1
	for file in LICENSE README.md CHANGELOG.md; do
	  install -D -m 0644 "$$file" "$(DESTDIR)$(PREFIX)/share/doc/glance-profile/$$file"
	done

clean:
	rm -rf bin dist
