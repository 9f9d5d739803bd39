{
  description = "Rollover: renews TLS certificates in a Docker Swarm, and a lab that proves no request was lost";

  # There is no flake.lock yet: a lock holds the hash of a nixpkgs that was
  # really fetched, and this flake was written where none could be. The first
  # `nix flake lock` with a network makes an honest one, to be committed.
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      forEachSystem =
        outputs: nixpkgs.lib.genAttrs systems (system: outputs nixpkgs.legacyPackages.${system});

      # One version for both crates, said once, in the workspace's manifest.
      inherit ((fromTOML (builtins.readFile ./Cargo.toml)).workspace.package) version;

      # What compiles and checks the workspace. The C compiler is for `ring`.
      toolchain = pkgs: [
        pkgs.cargo
        pkgs.clippy
        pkgs.rustc
        pkgs.rustfmt
        pkgs.stdenv.cc
      ];

      # What the scripts under ci/ call besides. The Docker daemon is the
      # machine's own: Nix can bring a client, not an engine.
      scriptTools = pkgs: [
        pkgs.bash
        pkgs.coreutils
        pkgs.curl
        pkgs.docker-client
        pkgs.findutils
        pkgs.gawk
        pkgs.git
        pkgs.gnugrep
        pkgs.gnused
        pkgs.gnutar
        pkgs.gzip
        pkgs.openssl
        pkgs.procps
        pkgs.shellcheck
        pkgs.util-linux
      ];

      # One binary of the workspace, with the release profile.
      binary =
        pkgs: pname: description:
        pkgs.rustPlatform.buildRustPackage {
          inherit pname version;
          src = self;
          cargoLock.lockFile = ./Cargo.lock;
          cargoBuildFlags = [
            "--package"
            pname
          ];
          # Tests are a check of their own, once for the whole workspace.
          doCheck = false;
          meta = {
            inherit description;
            license = [
              pkgs.lib.licenses.asl20
              pkgs.lib.licenses.mit
            ];
            mainProgram = pname;
          };
        };

      # One cargo command over the whole workspace; without a network, as every
      # Nix build, so the dependencies come vendored from Cargo.lock.
      cargoCheck =
        pkgs: name: command:
        pkgs.stdenv.mkDerivation {
          name = "rollover-check-${name}";
          src = self;
          cargoDeps = pkgs.rustPlatform.importCargoLock { lockFile = ./Cargo.lock; };
          nativeBuildInputs = toolchain pkgs ++ [ pkgs.rustPlatform.cargoSetupHook ];
          buildPhase = command;
          installPhase = "touch $out";
        };

      # A script under ci/ with its tools on PATH. In a checkout it runs there.
      # Elsewhere (`nix run github:…#demo`) it runs in a copy of the source,
      # because the one in the Nix store cannot be written to; what is compiled
      # is kept in the user's cache, so that a second run is quick.
      scriptApp =
        pkgs: name: description:
        let
          program = pkgs.writeShellApplication {
            name = "rollover-${name}";
            runtimeInputs = toolchain pkgs ++ scriptTools pkgs;
            text = ''
              if [ ! -x ci/${name} ] || [ ! -e harness/Cargo.toml ]; then
                work=$(mktemp -d)
                trap 'rm -rf "$work"' EXIT
                target=''${XDG_CACHE_HOME:-$HOME/.cache}/rollover/target
                mkdir -p "$target"
                cp -R ${self}/. "$work"
                chmod -R u+w "$work"
                ln -s "$target" "$work/target"
                cd "$work"
              fi
              ci/${name} "$@"
            '';
          };
        in
        {
          type = "app";
          program = pkgs.lib.getExe program;
          meta = { inherit description; };
        };
    in
    {
      packages = forEachSystem (pkgs: rec {
        default = rollover;
        rollover = binary pkgs "rollover" "Renews TLS certificates in a Docker Swarm and proves that every replica serves them";
        rollover-lab = binary pkgs "rollover-lab" "A real Docker Swarm in containers, with traffic through it and a count of what was lost";
      });

      apps = forEachSystem (pkgs: {
        demo = scriptApp pkgs "demo" "Renews a certificate under traffic in a swarm of three nodes, and counts what was lost";
        test = scriptApp pkgs "test" "Every test: format, clippy, unit, end to end";
      });

      # No end-to-end test here: a Nix build has no Docker. `nix run .#test` has.
      checks = forEachSystem (pkgs: {
        inherit (self.packages.${pkgs.stdenv.hostPlatform.system}) rollover rollover-lab;
        clippy = cargoCheck pkgs "clippy" "cargo clippy --frozen --workspace --all-targets -- --deny warnings";
        fmt = cargoCheck pkgs "fmt" "cargo fmt --all --check";
        unit = cargoCheck pkgs "unit" "cargo test --frozen --workspace --lib --bins";
      });

      devShells = forEachSystem (pkgs: {
        default = pkgs.mkShell {
          packages = toolchain pkgs ++ scriptTools pkgs ++ [
            pkgs.cargo-insta
            pkgs.cargo-nextest
            pkgs.nixfmt
            pkgs.rust-analyzer
          ];
          # Where rust-analyzer finds the standard library's source.
          RUST_SRC_PATH = "${pkgs.rustPlatform.rustLibSrc}";
        };
      });

      # `nix fmt`: the Rust code and this file.
      formatter = forEachSystem (
        pkgs:
        pkgs.writeShellApplication {
          name = "rollover-fmt";
          runtimeInputs = [
            pkgs.cargo
            pkgs.nixfmt
            pkgs.rustfmt
          ];
          text = ''
            cargo fmt --all
            nixfmt flake.nix fixtures/nixpkgs-stub/flake.nix
          '';
        }
      );
    };
}
