# SPDX-License-Identifier: MIT
"""Renders conda's recipe as rattler-build does before a build: conda_recipe.py RECIPE. Solving and building need conda's channels."""

import sys

import rattler_build

recipe = rattler_build.Stage0Recipe.from_file(sys.argv[1])
variants = rattler_build.VariantConfig.from_yaml("""
python: ["3.10.* *_cpython", "3.14.* *_cp314"]
c_stdlib: [sysroot]
c_stdlib_version: ["2.28"]
""")


def rendered(platform):
    settings = rattler_build.RenderConfig(platform=rattler_build.PlatformConfig(target_platform=platform))
    return {each.recipe.package.name for each in recipe.render(variants, settings)}


for platform in ("linux-64", "linux-aarch64"):
    packages = rendered(platform)
    assert packages == {"libparmap", "parmap-cpp"}, (platform, packages)
for platform in ("osx-arm64", "win-64"):
    assert not rendered(platform), platform
print("libparmap and parmap-cpp, on Linux only")
